# A private bucket: owner only, TLS 1.2 only, versioned, encrypted, and nothing in it lives for ever.

terraform {
  required_version = ">= 1.9, < 2"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

variable "name" {
  description = "Bucket name, unique in all of AWS. Changing it replaces the bucket."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "A bucket name has 3 to 63 of a-z 0-9 -, no dot (TLS certificates do not match names with dots): AWS would refuse \"${var.name}\" in the middle of the apply."
  }
}

variable "expire_days" {
  description = "Objects are deleted this many days after they were written; null keeps them, and their cost, for ever."
  type        = number

  validation {
    condition     = var.expire_days == null ? true : var.expire_days >= 1 && floor(var.expire_days) == var.expire_days
    error_message = "expire_days is a whole number of days from 1 up, or null: S3 refuses a shorter life in the middle of the apply."
  }
}

variable "noncurrent_days" {
  description = "How long an overwritten or deleted version can still be read: the time to undo a mistake."
  type        = number
  default     = 14
}

variable "kms_key_arn" {
  description = "A KMS key of the account's own to encrypt with; null means S3's own key."
  type        = string
  default     = null
}

variable "disposable" {
  description = "Whether `terraform destroy` deletes the bucket with all that is in it. false makes destroy fail while objects are left."
  type        = bool
  default     = false
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV2_AWS_62:Only the inputs bucket announces its objects; from the results bucket that would be a loop.
  #checkov:skip=CKV_AWS_144:Inputs can be sent and results computed again; versions guard against mistakes, a copy in another region would double the cost.
  #checkov:skip=CKV_AWS_145:Encrypted with S3's own key unless the stack has one of its own (customer_key); a KMS key adds $0.03 per 10,000 requests and a permission to every reader.
  #checkov:skip=CKV_AWS_18:Each object's writer is in its job's record; who must know every reader switches on CloudTrail's data events.

  bucket        = var.name
  force_destroy = var.disposable
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

# S3's own key unless asked: KMS would add $0.03 per 10,000 requests and a second permission to every reader.
resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null # one call to KMS for many objects

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"

    filter {}

    # Parts of an upload that broke off are invisible in listings and billed like objects.
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }
  }

  dynamic "rule" {
    for_each = var.expire_days[*]

    content {
      id     = "expire"
      status = "Enabled"

      filter {}

      expiration {
        days = rule.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "Tls12"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
        Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
      },
    ]
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

output "id" {
  description = "The bucket's name."
  value       = aws_s3_bucket.this.id
}

output "encryption" {
  description = "How objects are encrypted unless their writer says otherwise."
  value       = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default)
}

output "arn" {
  description = "The bucket's ARN, for policies."
  value       = aws_s3_bucket.this.arn
}
