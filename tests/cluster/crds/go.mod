// The CustomResourceDefinitions of other projects that the operator writes to where they are: pinned as Go modules, of
// which two YAML files are taken (tests/src/cluster/foreign.rs) and nothing is built.
module flacship.dev/tests/cluster/crds

go 1.26.4

require (
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.5.1
)
