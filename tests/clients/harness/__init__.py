"""What the tests stand on: a router process, client libraries behind one interface, payloads, a way to talk to node."""
