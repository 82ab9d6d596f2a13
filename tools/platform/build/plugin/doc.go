// Package plugin has no code: its module pins the Barman Cloud plugin of CloudNativePG.
package plugin
