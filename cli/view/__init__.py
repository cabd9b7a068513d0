"""What people and scripts see: documents as tables, JSON or YAML."""
