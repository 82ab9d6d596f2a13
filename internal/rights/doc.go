// Package rights holds the roles in examples/rbac against a real API server: what the provider does with them, and without each of
// their rights. It has tests only. The API server is that of `platform apiserver`, with RBAC and the definitions of CloudNativePG and
// its Barman Cloud plugin; what is behind one, operator, kubelet and garbage collector, the tests play.
package rights
