"""Adapters to S3, DynamoDB, SQS and SNS: the only users of botocore."""
