"""The files of others that the API serves, and where they come from: `make vendor`."""
