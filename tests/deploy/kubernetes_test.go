package deploy

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

const kubernetes = deploy + "/kubernetes"

// manifests returns the resources that a folder builds, by kind and name. Unknown keys are errors.
func manifests(t *testing.T, folder string) map[string]any {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	require.NoError(t, err)
	kinds := map[string]func() any{
		"v1 ServiceAccount":                  func() any { return new(corev1.ServiceAccount) },
		"v1 ConfigMap":                       func() any { return new(corev1.ConfigMap) },
		"v1 Service":                         func() any { return new(corev1.Service) },
		"apps/v1 Deployment":                 func() any { return new(appsv1.Deployment) },
		"policy/v1 PodDisruptionBudget":      func() any { return new(policyv1.PodDisruptionBudget) },
		"networking.k8s.io/v1 NetworkPolicy": func() any { return new(networkingv1.NetworkPolicy) },

		"monitoring.coreos.com/v1 PodMonitor":     func() any { return new(monitoringv1.PodMonitor) },
		"monitoring.coreos.com/v1 PrometheusRule": func() any { return new(monitoringv1.PrometheusRule) },
	}
	found := map[string]any{}
	for _, resource := range built.Resources() {
		text, err := resource.AsYAML()
		require.NoError(t, err)
		kind := resource.GetApiVersion() + " " + resource.GetKind()
		require.Contains(t, kinds, kind)
		object := kinds[kind]()
		require.NoError(t, yaml.UnmarshalStrict(text, object), "%s", text)
		require.Equal(t, "pbsmflow", resource.GetNamespace())
		found[resource.GetKind()+" "+resource.GetName()] = object
	}
	return found
}

func deployment(t *testing.T, folder, version string) *appsv1.Deployment {
	t.Helper()
	all := manifests(t, folder)
	require.Len(t, all, 2, "the other one is its disruption budget")
	require.Contains(t, all, "Deployment worker-"+version)
	return all["Deployment worker-"+version].(*appsv1.Deployment)
}

func workerPod(t *testing.T) (corev1.PodSpec, corev1.Container) {
	t.Helper()
	pod := deployment(t, kubernetes+"/version", "dev").Spec.Template.Spec
	require.Len(t, pod.Containers, 1)
	return pod, pod.Containers[0]
}

// The command of docs/operations.md creates a second version beside the first, without sharing a selector, name or
// build id.
func TestKubernetes_versionsAreSeparate(t *testing.T) {
	one := deployment(t, kubernetes+"/version", "dev")
	copied := t.TempDir()
	for _, name := range []string{"kustomization.yaml", "worker.yaml"} {
		text, err := os.ReadFile(filepath.Join(kubernetes, "version", name))
		require.NoError(t, err)
		if name == "kustomization.yaml" {
			require.Equal(t, 3, strings.Count(string(text), "dev"), "the version is there three times")
			text = []byte(strings.ReplaceAll(string(text), "dev", "1-2-3"))
		}
		require.NoError(t, os.WriteFile(filepath.Join(copied, name), text, 0o600))
	}
	two := deployment(t, copied, "1-2-3")
	for _, d := range []*appsv1.Deployment{one, two} {
		version := strings.TrimPrefix(d.Name, "worker-")
		require.Empty(t, validation.IsDNS1123Label(d.Name))
		selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
		require.NoError(t, err)
		require.True(t, selector.Matches(labels.Set(d.Spec.Template.Labels)))
		require.Equal(t, version, d.Spec.Template.Labels["app.kubernetes.io/version"], "its build id")
		require.Equal(t, "pbsmflow/worker:"+version, d.Spec.Template.Spec.Containers[0].Image)
		other := map[*appsv1.Deployment]*appsv1.Deployment{one: two, two: one}[d]
		require.False(t, selector.Matches(labels.Set(other.Spec.Template.Labels)))
	}
	c := one.Spec.Template.Spec.Containers[0]
	for _, env := range c.Env {
		if env.Name == "TEMPORAL_WORKER_BUILD_ID" {
			require.Equal(t, "metadata.labels['app.kubernetes.io/version']", env.ValueFrom.FieldRef.FieldPath)
			return
		}
	}
	t.Fatal("TEMPORAL_WORKER_BUILD_ID is missing")
}

// A drain leaves each version one worker, for the closes that began on it, and does not wait for unready workers.
func TestKubernetes_eachVersionHasADisruptionBudget(t *testing.T) {
	budget := manifests(t, kubernetes+"/version")["PodDisruptionBudget worker-dev"].(*policyv1.PodDisruptionBudget)
	require.Equal(t, 1, budget.Spec.MinAvailable.IntValue())
	require.Equal(t, policyv1.AlwaysAllow, *budget.Spec.UnhealthyPodEvictionPolicy)
	selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
	require.NoError(t, err)
	pod := deployment(t, kubernetes+"/version", "dev").Spec.Template.Labels
	require.True(t, selector.Matches(labels.Set(pod)))
	pod["app.kubernetes.io/version"] = "1-2-3"
	require.False(t, selector.Matches(labels.Set(pod)))
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	require.Contains(t, string(page), "`kubectl delete -k 1-2-3`", "the budget is deleted with its workers, because it would block drains for ever")
}

// The network policy selects the workers of every version.
func TestKubernetes_sharedResourcesSelectTheWorkers(t *testing.T) {
	shared := manifests(t, kubernetes)
	pod := labels.Set(deployment(t, kubernetes+"/version", "dev").Spec.Template.Labels)
	network := shared["NetworkPolicy worker"].(*networkingv1.NetworkPolicy)
	selector, err := metav1.LabelSelectorAsSelector(&network.Spec.PodSelector)
	require.NoError(t, err)
	require.False(t, selector.Empty())
	require.True(t, selector.Matches(pod), selector.String())
	require.False(t, selector.Matches(labels.Set{"app.kubernetes.io/name": "pbsmflow"}))
	require.Len(t, network.Spec.PolicyTypes, 2)
	spec, _ := workerPod(t)
	account := shared["ServiceAccount "+spec.ServiceAccountName].(*corev1.ServiceAccount)
	require.False(t, *account.AutomountServiceAccountToken)
	require.False(t, *spec.AutomountServiceAccountToken)
	for _, v := range spec.Volumes {
		if v.ConfigMap != nil {
			require.Contains(t, shared, "ConfigMap "+v.ConfigMap.Name)
		}
	}
}

func TestKubernetes_workerIsHardened(t *testing.T) {
	pod, c := workerPod(t)
	hardened(t, pod, c)
}

func hardened(t *testing.T, pod corev1.PodSpec, c corev1.Container) {
	t.Helper()
	assert.True(t, *pod.SecurityContext.RunAsNonRoot)
	assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
	assert.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
	assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
	assert.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
	assert.False(t, c.Resources.Limits.Memory().IsZero())
	assert.False(t, c.Resources.Requests.Cpu().IsZero())
	for _, env := range c.Env {
		if regexp.MustCompile(`(?i)secret|password|key|token`).MatchString(env.Name) {
			assert.NotNil(t, env.ValueFrom, "%s holds a secret", env.Name)
		}
	}
	for _, v := range pod.Volumes {
		if v.Secret != nil {
			assert.Equal(t, int32(0o440), *v.Secret.DefaultMode)
		}
	}
}

// User, port, entrypoint and variables match the image.
func TestKubernetes_imageMatchesTheDockerfile(t *testing.T) {
	stages := dockerfile(t)
	users := commands[*instructions.UserCommand](t, stages, "worker")
	require.NotEmpty(t, users)
	user := users[len(users)-1].User
	var ports []string
	for _, c := range commands[*instructions.ExposeCommand](t, stages, "worker") {
		ports = append(ports, c.Ports...)
	}
	var config string
	for _, c := range commands[*instructions.EnvCommand](t, stages, "worker") {
		for _, pair := range c.Env {
			if pair.Key == "PBSM_CONFIG" {
				config = pair.Value
			}
		}
	}
	pod, c := workerPod(t)
	require.Equal(t, "65532:65532", user)
	require.EqualValues(t, 65532, *pod.SecurityContext.RunAsUser)
	require.EqualValues(t, 65532, *pod.SecurityContext.RunAsGroup)
	require.Equal(t, []string{"9090"}, ports)
	require.EqualValues(t, 9090, c.Ports[0].ContainerPort)
	require.Empty(t, c.Command, "the image's entrypoint")
	require.Empty(t, c.Args)
	require.Equal(t, config, literal(c, "PBSM_CONFIG"))
}

func literal(c corev1.Container, name string) string {
	for _, env := range c.Env {
		if env.Name == name {
			return env.Value
		}
	}
	return ""
}

// With its secrets, the config map is a complete configuration, which the grace period, the probes and the folders
// match.
func TestKubernetes_configurationIsComplete(t *testing.T) {
	shared := manifests(t, kubernetes)
	pod, c := workerPod(t)
	mounts := map[string]string{}
	for _, m := range c.VolumeMounts {
		mounts[m.Name] = m.MountPath
	}
	secrets := t.TempDir()
	for name, content := range map[string]string{
		"client_secret": "x", "password": "x", "s3_access_key": "x", "s3_secret_key": "x",
		"night_shift_webhook": "https://chat.bank.example/hook", "encryption_key": base64.StdEncoding.EncodeToString(make([]byte, 32)),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(secrets, name), []byte(content), 0o600))
	}
	text := shared["ConfigMap pbsm"].(*corev1.ConfigMap).Data["pbsm.yaml"]
	text = regexp.MustCompile(`(?m)^# ?(notifications|encryption|  )`).ReplaceAllString(text, "$1") // including what is optional
	require.Contains(t, text, mounts["secrets"]+"/client_secret")
	file := filepath.Join(t.TempDir(), filepath.Base(literal(c, "PBSM_CONFIG")))
	require.Equal(t, mounts["config"], filepath.Dir(literal(c, "PBSM_CONFIG")))
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(text, mounts["secrets"], secrets)), 0o600))
	env := []string{}
	for _, e := range c.Env {
		if e.Value != "" {
			env = append(env, e.Name+"="+e.Value)
		}
	}
	cfg, err := config.Load(file, env)
	require.NoError(t, err)
	require.Contains(t, cfg.Connections, "prod")
	require.Contains(t, cfg.Notifications, "night-shift")
	require.NotEmpty(t, cfg.Encryption.Keys)
	require.Equal(t, mounts["pipelines"], cfg.Worker.Pipelines)
	require.Equal(t, ":9090", cfg.Worker.Health)
	require.Equal(t, config.Starter("kubectl --namespace pbsmflow exec -it deployment/worker-$(TEMPORAL_WORKER_BUILD_ID) -- starter"),
		cfg.Worker.Starter)
	require.Greater(t, time.Duration(*pod.TerminationGracePeriodSeconds)*time.Second, cfg.Worker.StopTimeout+10*time.Second)
	for path, probe := range map[string]*corev1.Probe{"/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		require.Equal(t, path, probe.HTTPGet.Path)
		require.Equal(t, c.Ports[0].Name, probe.HTTPGet.Port.String())
	}
	require.Equal(t, "/healthz", c.StartupProbe.HTTPGet.Path, "a worker is not killed because Temporal is unreachable")

	example, err := os.ReadFile(deploy + "/pipelines/nightly-close.yaml")
	require.NoError(t, err)
	require.Equal(t, string(example), shared["ConfigMap pipelines"].(*corev1.ConfigMap).Data["nightly-close.yaml"], "deploy/pipelines and its copy")
	require.Contains(t, shared["ConfigMap temporal"].(*corev1.ConfigMap).Data, "TEMPORAL_ADDRESS")
}

// Every worker is scraped on its health port, which its network policy opens, as the job that the rules rely on. The
// rules and the dashboard equal the files.
func TestKubernetes_workersAreMonitored(t *testing.T) {
	watched := manifests(t, deploy+"/observability")
	monitor := watched["PodMonitor worker"].(*monitoringv1.PodMonitor)
	pod := deployment(t, kubernetes+"/version", "dev").Spec.Template
	selector, err := metav1.LabelSelectorAsSelector(&monitor.Spec.Selector)
	require.NoError(t, err)
	require.True(t, selector.Matches(labels.Set(pod.Labels)))
	require.Equal(t, "pbsmflow", pod.Labels[monitor.Spec.JobLabel])
	port := pod.Spec.Containers[0].Ports[0]
	require.Equal(t, port.Name, *monitor.Spec.PodMetricsEndpoints[0].Port)
	policy := manifests(t, kubernetes)["NetworkPolicy worker"].(*networkingv1.NetworkPolicy)
	require.Equal(t, port.ContainerPort, policy.Spec.Ingress[0].Ports[0].Port.IntVal)

	rules, err := os.ReadFile(deploy + "/observability/alerts.yaml")
	require.NoError(t, err)
	var file monitoringv1.PrometheusRuleSpec
	require.NoError(t, yaml.UnmarshalStrict(rules, &file))
	require.Equal(t, file, watched["PrometheusRule pbsmflow"].(*monitoringv1.PrometheusRule).Spec)
	board := watched["ConfigMap dashboard"].(*corev1.ConfigMap)
	require.Equal(t, "1", board.Labels["grafana_dashboard"])
	require.Contains(t, board.Data["dashboard.json"], `"uid": "pbsmflow"`)
}
