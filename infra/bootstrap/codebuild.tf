# Builds and pushes the image from a source archive, for those who have no Docker, or none for arm64.

resource "aws_cloudwatch_log_group" "image" {
  #checkov:skip=CKV_AWS_158:Encrypted by CloudWatch; the log of a build holds no secrets.
  #checkov:skip=CKV_AWS_338:The log of a build is of use for days; the image it made has a digest.

  name              = "/aws/codebuild/${var.name}-image"
  retention_in_days = 30
}

resource "aws_iam_role" "image" {
  name        = "${var.name}-image"
  description = "What the CodeBuild project ${var.name}-image may do: read the source, push the image."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "codebuild.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "image" {
  name = "build"
  role = aws_iam_role.image.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.push_statements, [
      {
        Sid      = "Source"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetBucketLocation"]
        Resource = [module.source.arn, "${module.source.arn}/*"]
      },
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${aws_cloudwatch_log_group.image.arn}:*"]
      },
    ])
  })
}

resource "aws_codebuild_project" "image" {
  #checkov:skip=CKV_AWS_316:docker build needs it; the machine is thrown away after each build.

  name                   = "${var.name}-image"
  description            = "docker/Dockerfile for arm64, pushed to ${aws_ecr_repository.images.name}. Prints image_uri=<by digest>."
  service_role           = aws_iam_role.image.arn
  build_timeout          = 30
  concurrent_build_limit = 1

  source {
    type     = "S3"
    location = "${module.source.id}/source.zip"
    buildspec = yamlencode({
      version = "0.2"
      # Lambda refuses the index that buildx makes of an image and its attestation.
      env = { variables = { BUILDX_NO_DEFAULT_ATTESTATIONS = "1" } }
      phases = {
        build = {
          commands = [
            "test -n \"$IMAGE_TAG\" || { echo 'IMAGE_TAG is not set: pass the commit id, for example'; exit 1; }",
            "aws ecr get-login-password | docker login --username AWS --password-stdin \"$${REPOSITORY%%/*}\"",
            "docker build --platform linux/arm64 --file docker/Dockerfile --build-arg REVISION=\"$IMAGE_TAG\" --tag \"$REPOSITORY:$IMAGE_TAG\" .",
            "docker push \"$REPOSITORY:$IMAGE_TAG\"",
            "echo image_uri=$(docker inspect --format '{{index .RepoDigests 0}}' \"$REPOSITORY:$IMAGE_TAG\")",
          ]
        }
      }
    })
  }

  artifacts {
    type = "NO_ARTIFACTS"
  }

  environment {
    type            = "ARM_CONTAINER"
    compute_type    = "BUILD_GENERAL1_SMALL"
    image           = "aws/codebuild/amazonlinux-aarch64-standard:3.0"
    privileged_mode = true

    environment_variable {
      name  = "REPOSITORY"
      value = aws_ecr_repository.images.repository_url
    }
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.image.name
    }
  }
}
