package cnpg

import (
	"context"
	"encoding/json"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/apimachinery/pkg/types"
)

// MethodManager is the field manager that changes the method by which a Cluster archives where others state it too.
const MethodManager = FieldManager + "-method"

// swapsMethod tells whether a Cluster is to archive by another method while others state the one that it has: an apply would leave
// what they state, and CNPG takes no Cluster with both.
func swapsMethod(live, cluster *cnpgv1.Cluster) bool {
	return Archiver(live) != nil && Archiver(cluster) != nil && MethodOf(live) != MethodOf(cluster) && len(Fields(live).others(methodFields(live))) > 0
}

// swapMethod removes the one method, whoever states it, and adds the other one in the same request: in between, CNPG would throw WAL
// away. stated is the Cluster as Kubernetes is to have it. What an apply has still to state of it is the same by then.
func (c *Client) swapMethod(ctx context.Context, live, stated *cnpgv1.Cluster) error {
	spec := map[string]any{"backup": map[string]any{"barmanObjectStore": nil, "retentionPolicy": nil}, "plugins": nil}
	if stated.Spec.Backup != nil {
		spec["backup"] = stated.Spec.Backup
	}
	if len(stated.Spec.Plugins) > 0 {
		spec["plugins"] = stated.Spec.Plugins
	} else if others := OtherPlugins(live.Spec.Plugins); len(others) > 0 {
		spec["plugins"] = others
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": live.UID}, "spec": spec})
	if err != nil {
		return err
	}
	return c.cnpg.Patch(types.MergePatchType).
		Namespace(live.Namespace).Resource(clusters).Name(live.Name).
		Param("fieldManager", MethodManager).Param("fieldValidation", "Strict").
		Body(body).Do(ctx).Error()
}
