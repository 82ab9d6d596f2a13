package provider

// The operator of the fakes has looked at a change when the request that made it is answered.
func init() { settleTime = 0 }
