"""The devices of a run: strategies, hosts and their memory."""
