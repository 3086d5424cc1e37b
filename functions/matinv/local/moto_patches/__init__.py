"""What moto lacks, added to its server; one file per service."""
