package deploy

import (
	"fmt"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

// The console has the workers' configuration and none of their secrets but the encryption key. Only the proxy, whose
// headers it believes, reaches it.
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
	for _, v := range spec.Volumes {
		if v.Secret != nil {
			require.Equal(t, []corev1.KeyToPath{{Key: "encryption_key", Path: "encryption_key"}}, v.Secret.Items)
			require.True(t, *v.Secret.Optional)
		}
	}
	settings, err := config.LoadConsole(kubernetes+"/pbsm.yaml", nil)
	require.NoError(t, err)
	require.Equal(t, config.ProxyLogin, settings.Login.Kind)
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
