package provider

// A tier is a named size of database.
type tier string

// The tiers.
const (
	tierDev      tier = "DEV"
	tierStandard tier = "STANDARD"
	tierHA       tier = "HA"
)

// tierSizes is what a tier stands for where the configuration says nothing.
type tierSizes struct {
	instances int64
	storage   string
	cpu       string
	memory    string
}

var tiers = map[tier]tierSizes{
	tierDev:      {instances: 1, storage: "1Gi", cpu: "100m", memory: "512Mi"},
	tierStandard: {instances: 1, storage: "10Gi", cpu: "250m", memory: "1Gi"},
	tierHA:       {instances: 3, storage: "20Gi", cpu: "250m", memory: "2Gi"},
}

// tierNames are the tiers in the order in which they grow, for validation and docs.
var tierNames = []string{string(tierDev), string(tierStandard), string(tierHA)}
