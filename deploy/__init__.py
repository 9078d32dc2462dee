"""Running the system: `make run`, private brokers and databases, the web server's configuration."""
