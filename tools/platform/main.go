// Command platform brings up and takes down the platform that tests and the demo run on.
package main

func main() {}
