# Once per account and region: where states are kept and images live, and who may push and deploy.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}
data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.id
  partition  = data.aws_partition.current.partition

  # arn:aws:<service>:<region>:<account>, to which the rest is appended.
  arn = { for service in ["sqs", "sns", "lambda", "dynamodb", "logs", "cloudwatch", "scheduler", "kms"] :
    service => "arn:${local.partition}:${service}:${local.region}:${local.account_id}"
  }
  iam = "arn:${local.partition}:iam::${local.account_id}"
}

# States: versions are the way back from a state that was destroyed by mistake. Locks are objects beside the states.
module "state" {
  source = "../modules/bucket"

  name            = "${var.name}-state-${local.account_id}-${local.region}"
  expire_days     = null
  noncurrent_days = 365
  disposable      = var.disposable
}

# Source archives for CodeBuild, read once.
module "source" {
  source = "../modules/bucket"

  name            = "${var.name}-source-${local.account_id}-${local.region}"
  expire_days     = 7
  noncurrent_days = 7
  disposable      = true
}

resource "aws_ecr_repository" "images" {
  #checkov:skip=CKV_AWS_136:Encrypted with ECR's own key; the image holds this public code and no secrets.

  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.disposable

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "AES256"
  }
}

resource "aws_ecr_lifecycle_policy" "images" {
  repository = aws_ecr_repository.images.name
  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "what was pushed without a tag, as broken builds are"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 14 }
        action       = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "all but the newest; attestations have no tag, and go with their image"
        selection    = { tagStatus = "tagged", tagPatternList = ["*"], countType = "imageCountMoreThan", countNumber = var.kept_images }
        action       = { type = "expire" }
      },
    ]
  })
}

# Lambda pulls the image again when it refreshes its copy. The function's ARN holds the account: AWS's own examples name no
# aws:SourceAccount beside it, and if Lambda sent none, no function could be made.
resource "aws_ecr_repository_policy" "images" {
  repository = aws_ecr_repository.images.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Lambda"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Condition = { ArnLike = { "aws:SourceArn" = "${local.arn.lambda}:function:${var.name}-*" } }
    }]
  })
}
