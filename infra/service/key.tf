# Switch `customer_key`: one KMS key of the account's own for all that a stack stores or sends on.

variable "customer_key" {
  description = "Whether buckets, table, queues, topics and logs are encrypted with one KMS key of this account, made here, instead of keys that AWS owns. $1 a month, $0.03 per 10,000 requests, and everybody who reads needs the key as well; the policies of this stack have it. Changing it does not encrypt anew what is there."
  type        = bool
  default     = false
}

locals {
  key_arn = one(aws_kms_key.own[*].arn)

  # What whoever uses the stack must be able to do: DynamoDB, S3, SQS and SNS call KMS with the caller's rights.
  allow_key = [for arn in aws_kms_key.own[*].arn : {
    Sid      = "UseKey"
    Effect   = "Allow"
    Action   = ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"]
    Resource = [arn]
  }]

  # Services that use the key in nobody's name.
  key_users = {
    Uploads  = "s3.amazonaws.com"         # tells the jobs queue of each file
    Alarms   = "cloudwatch.amazonaws.com" # to the topics of alarms and pages
    Budget   = "budgets.amazonaws.com"
    Delivery = "sns.amazonaws.com" # to subscribed queues that use this key
  }
}

resource "aws_kms_key" "own" {
  count = var.customer_key ? 1 : 0

  description             = "All that the stack ${var.name} stores or sends on."
  enable_key_rotation     = true
  deletion_window_in_days = 30 # a deleted key takes every result with it

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        # The account's own policies decide who else may use it: those of this stack do.
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      }],
      [for sid, service in local.key_users : {
        Sid       = sid
        Effect    = "Allow"
        Principal = { Service = service }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
      }],
      [{
        # CloudWatch Logs names the log group in the encryption context, and no source account.
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = "logs.${local.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
        Resource  = "*"
        Condition = {
          ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/*/${var.name}-*" }
        }
      }],
    )
  })
}

resource "aws_kms_alias" "own" {
  count = var.customer_key ? 1 : 0

  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.own[0].key_id
}
