"""The deployment file `routes.yaml`: read, checked, compiled into one immutable table, and written canonically."""
