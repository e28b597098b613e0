package deploy

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/proof"
)

// The console has the workers' configuration. Only the proxy, whose headers it believes, reaches it.
func TestKubernetes_console(t *testing.T) {
	built := manifests(t, kubernetes+"/console")
	d := built["Deployment console"].(*appsv1.Deployment)
	spec := d.Spec.Template.Spec
	c := spec.Containers[0]
	hardened(t, spec, c)
	require.Equal(t, "pbsmflow/starter:dev", c.Image)
	require.Equal(t, []string{"console"}, c.Args)
	_, workers := workerPod(t)
	require.Equal(t, literal(workers, "PBSM_CONFIG"), literal(c, "PBSM_CONFIG"))
	require.Equal(t, workers.EnvFrom, c.EnvFrom)
	assert.Equal(t, "kubectl --namespace pbsmflow exec -it deployment/"+d.Name+" -- starter", literal(c, "PBSM_WORKER__STARTER"))
	settings, err := config.LoadConsole(kubernetes+"/pbsm.yaml", nil)
	require.NoError(t, err)
	require.Equal(t, config.ProxyLogin, settings.Login.Kind)
	assert.Equal(t, "X-Forwarded-Groups", settings.Login.Proxy.GroupsHeader, "as oauth2-proxy in front of it names it")
	require.Len(t, settings.Roles, 3)

	own := labels.Set(d.Spec.Template.Labels)
	service := built["Service console"].(*corev1.Service)
	require.True(t, labels.SelectorFromSet(service.Spec.Selector).Matches(own))
	require.EqualValues(t, c.Ports[0].ContainerPort, service.Spec.Ports[0].Port)
	policy := built["NetworkPolicy console"].(*networkingv1.NetworkPolicy)
	selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
	require.NoError(t, err)
	require.True(t, selector.Matches(own))
	require.Len(t, policy.Spec.Ingress, 2)
	require.Len(t, policy.Spec.Ingress[0].From, 1, "without a source it would be open to all")
	require.Equal(t, map[string]string{"app.kubernetes.io/name": "oauth2-proxy"}, policy.Spec.Ingress[0].From[0].PodSelector.MatchLabels)
	require.EqualValues(t, c.Ports[0].ContainerPort, policy.Spec.Ingress[0].Ports[0].Port.IntVal)
	assert.ElementsMatch(t, []int32{53, 53, 7233, 443}, egress(policy), "DNS, Temporal, and the provider, buckets and Temporal Cloud")
	for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe} {
		require.Equal(t, c.Ports[0].Name, probe.HTTPGet.Port.String())
	}

	require.Equal(t, fmt.Sprintf(":%d", c.Ports[1].ContainerPort), settings.Metrics)
	scraper := policy.Spec.Ingress[1]
	require.NotNil(t, scraper.From[0].NamespaceSelector)
	require.EqualValues(t, c.Ports[1].ContainerPort, scraper.Ports[0].Port.IntVal)
	monitor := manifests(t, deploy+"/observability")["PodMonitor console"].(*monitoringv1.PodMonitor)
	selector, err = metav1.LabelSelectorAsSelector(&monitor.Spec.Selector)
	require.NoError(t, err)
	require.True(t, selector.Matches(own))
	endpoint := monitor.Spec.PodMetricsEndpoints[0]
	require.Equal(t, c.Ports[1].Name, *endpoint.Port)
	require.Equal(t, "pbsmflow-console", *endpoint.RelabelConfigs[0].Replacement, "the job that the rules rely on")
}

func egress(policy *networkingv1.NetworkPolicy) (ports []int32) {
	for _, rule := range policy.Spec.Egress {
		for _, p := range rule.Ports {
			ports = append(ports, p.Port.IntVal)
		}
	}
	return ports
}

// The console reaches Temporal as the workers do, also Temporal Cloud. Of the workers' secrets it has none but the
// encryption key; its own are where the configuration expects them, and the workers do not have them.
func TestKubernetes_secretsOfTheConsole(t *testing.T) {
	spec := manifests(t, kubernetes+"/console")["Deployment console"].(*appsv1.Deployment).Spec.Template.Spec
	c := spec.Containers[0]
	pod, workers := workerPod(t)
	assert.NotNil(t, variable(c, "TEMPORAL_API_KEY"))
	assert.Equal(t, variable(workers, "TEMPORAL_API_KEY"), variable(c, "TEMPORAL_API_KEY"))

	mounts, volumes := map[string]string{}, map[string]corev1.VolumeSource{}
	for _, m := range c.VolumeMounts {
		require.True(t, m.ReadOnly)
		mounts[m.Name] = m.MountPath
	}
	for _, v := range spec.Volumes {
		require.Contains(t, mounts, v.Name)
		volumes[v.Name] = v.VolumeSource
	}
	for _, v := range pod.Volumes {
		require.NotEqual(t, "pbsm-console", v.Name)
		if v.Name == "temporal" {
			assert.Equal(t, v.VolumeSource, volumes["temporal"])
		}
	}
	for _, m := range workers.VolumeMounts {
		if mounts[m.Name] != "" {
			require.Equal(t, m.MountPath, mounts[m.Name])
		}
	}
	require.Equal(t, []corev1.KeyToPath{{Key: "encryption_key", Path: "encryption_key"}}, volumes["secrets"].Secret.Items)
	require.True(t, *volumes["secrets"].Secret.Optional)
	require.Equal(t, "pbsm-console", volumes["console"].Secret.SecretName)
	require.True(t, *volumes["console"].Secret.Optional)

	own := t.TempDir()
	private, _, err := proof.NewKey()
	require.NoError(t, err)
	for name, content := range map[string][]byte{
		"signing_key":   private,
		"session_key":   []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))),
		"client_secret": []byte("x"),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(own, name), content, 0o600))
	}
	text := manifests(t, kubernetes)["ConfigMap pbsm"].(*corev1.ConfigMap).Data["pbsm.yaml"]
	text = regexp.MustCompile(`(?m)^  # (signing_key|session_key)`).ReplaceAllString(text, "  $1") // what is optional
	text = strings.ReplaceAll(text, mounts["console"], own)
	file := filepath.Join(t.TempDir(), "pbsm.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	settings, err := config.LoadConsole(file, nil)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(own, "signing_key"), settings.SigningKey)
	require.NotEmpty(t, settings.SessionKey.Expose())
}

func variable(c corev1.Container, name string) *corev1.EnvVarSource {
	for _, env := range c.Env {
		if env.Name == name {
			return env.ValueFrom
		}
	}
	return nil
}
