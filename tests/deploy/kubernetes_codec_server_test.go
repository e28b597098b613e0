package deploy

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// The codec server has the workers' configuration and, of their secrets, the encryption key. Only the proxy reaches it.
func TestKubernetes_codecServer(t *testing.T) {
	built := manifests(t, kubernetes+"/codec-server")
	d := built["Deployment codec-server"].(*appsv1.Deployment)
	spec := d.Spec.Template.Spec
	c := spec.Containers[0]
	hardened(t, spec, c)
	require.Equal(t, "pbsmflow/starter:dev", c.Image)

	shared := manifests(t, kubernetes)
	require.Contains(t, shared, "ServiceAccount "+spec.ServiceAccountName)
	of, ofWorker := map[string]corev1.VolumeSource{}, map[string]corev1.VolumeSource{}
	for _, v := range spec.Volumes {
		of[v.Name] = v.VolumeSource
	}
	pod, workers := workerPod(t)
	for _, v := range pod.Volumes {
		ofWorker[v.Name] = v.VolumeSource
	}
	require.Equal(t, []corev1.KeyToPath{{Key: "encryption_key", Path: "encryption_key"}}, of["secrets"].Secret.Items)
	of["secrets"].Secret.Items = nil
	for _, m := range c.VolumeMounts {
		require.Equal(t, ofWorker[m.Name], of[m.Name])
		require.Contains(t, workers.VolumeMounts, m)
	}
	require.Equal(t, literal(workers, "PBSM_CONFIG"), literal(c, "PBSM_CONFIG"))

	own := labels.Set(d.Spec.Template.Labels)
	service := built["Service codec-server"].(*corev1.Service)
	require.True(t, labels.SelectorFromSet(service.Spec.Selector).Matches(own))
	policy := built["NetworkPolicy codec-server"].(*networkingv1.NetworkPolicy)
	selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
	require.NoError(t, err)
	require.True(t, selector.Matches(own))
	require.False(t, selector.Matches(labels.Set(deployment(t, kubernetes+"/version", "dev").Spec.Template.Labels)))
	require.Len(t, policy.Spec.PolicyTypes, 2)
	require.Empty(t, policy.Spec.Egress)
	require.Len(t, policy.Spec.Ingress, 1)
	require.Len(t, policy.Spec.Ingress[0].From, 1, "without a source it would be open to all")
	require.Equal(t, map[string]string{"app.kubernetes.io/name": "oauth2-proxy"}, policy.Spec.Ingress[0].From[0].PodSelector.MatchLabels)
}
