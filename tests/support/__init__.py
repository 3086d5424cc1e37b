"""What tests stand on: services in memory, servers, faults, matrices with known inverses."""
