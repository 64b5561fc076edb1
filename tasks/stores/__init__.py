"""Where backups lie: S3 and the file system, listed and read by range."""
