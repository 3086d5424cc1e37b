"""Adapters to S3, DynamoDB and SQS: the only users of boto3."""
