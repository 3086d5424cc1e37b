# What shows a plan may do: read how a stack is set up, and its state. Whoever can open a pull request from a branch of the
# repository can run code with this role, so that it sees no file, record, message or log line, and changes nothing.

resource "aws_iam_policy" "plan" {
  name        = "${var.name}-plan"
  description = "terraform plan of infra/service for stacks named ${var.name} or ${var.name}-*."
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "State"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:ListBucket"]
        Resource = [module.state.arn, "${module.state.arn}/service/*"]
      },
      {
        Sid    = "Buckets"
        Effect = "Allow"
        Action = [
          "s3:GetBucket*", "s3:GetAccelerateConfiguration", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
          "s3:GetReplicationConfiguration", "s3:ListBucket", "s3:ListTagsForResource",
        ]
        Resource = ["arn:${local.partition}:s3:::${var.name}-*"]
      },
      {
        # By name where AWS lets a policy say so: none of these answers with what a job holds.
        Sid    = "Look"
        Effect = "Allow"
        Action = [
          "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:DescribeContinuousBackups", "dynamodb:ListTagsOfResource",
          "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags",
          "sns:GetTopicAttributes", "sns:GetSubscriptionAttributes", "sns:ListTagsForResource",
          "lambda:GetAlias", "lambda:GetEventSourceMapping", "lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig",
          "lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration", "lambda:GetFunctionEventInvokeConfig",
          "lambda:GetFunctionUrlConfig", "lambda:GetPolicy", "lambda:GetProvisionedConcurrencyConfig", "lambda:GetRuntimeManagementConfig",
          "lambda:ListTags", "lambda:ListVersionsByFunction",
          "logs:DescribeLogGroups", "logs:ListTagsForResource",
          "cloudwatch:DescribeAlarms", "cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource",
          "scheduler:GetSchedule", "sts:GetCallerIdentity",
          "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListAliases", "kms:ListResourceTags",
          "ec2:DescribeAvailabilityZones", "ec2:DescribeNetworkAcls", "ec2:DescribePrefixLists", "ec2:DescribeRouteTables",
          "ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules", "ec2:DescribeSubnets", "ec2:DescribeTags", "ec2:DescribeVpcs",
          "ec2:DescribeVpcAttribute", "ec2:DescribeVpcEndpoints",
          "backup:DescribeBackupVault", "backup:GetBackupPlan", "backup:GetBackupSelection", "backup:ListTags",
          "apigateway:GET",
        ]
        Resource = ["*"]
      },
      {
        Sid    = "Roles"
        Effect = "Allow"
        Action = [
          "iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies",
          "iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions",
        ]
        Resource = ["${local.iam}:role/${var.name}-*", "${local.iam}:policy/${var.name}-*"]
      },
      {
        Sid      = "Budget"
        Effect   = "Allow"
        Action   = ["budgets:ViewBudget", "budgets:ListTagsForResource"]
        Resource = ["arn:${local.partition}:budgets::${local.account_id}:budget/${var.name}-*"]
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "github_plan" {
  count = length(local.github)

  role       = aws_iam_role.github["plan"].name
  policy_arn = aws_iam_policy.plan.arn
}
