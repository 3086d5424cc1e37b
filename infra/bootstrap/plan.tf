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
        # None of these answers with what a job holds.
        Sid    = "OwnResources"
        Effect = "Allow"
        Action = [
          "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:DescribeContinuousBackups", "dynamodb:ListTagsOfResource",
          "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags",
          "sns:GetTopicAttributes", "sns:ListTagsForResource",
          "lambda:GetAlias", "lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig", "lambda:GetFunctionConcurrency",
          "lambda:GetFunctionConfiguration", "lambda:GetFunctionEventInvokeConfig", "lambda:GetFunctionUrlConfig", "lambda:GetPolicy",
          "lambda:GetProvisionedConcurrencyConfig", "lambda:GetRuntimeManagementConfig", "lambda:ListVersionsByFunction",
          "logs:ListTagsForResource", "cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource", "scheduler:GetSchedule",
          "backup:DescribeBackupVault",
        ]
        Resource = [
          "${local.arn.sqs}:${var.name}-*",
          "${local.arn.sns}:${var.name}-*",
          "${local.arn.dynamodb}:table/${var.name}-*",
          "${local.arn.lambda}:function:${var.name}-*",
          "${local.arn.logs}:log-group:/aws/*/${var.name}-*",
          "${local.arn.cloudwatch}:alarm:${var.name}-*",
          "arn:${local.partition}:cloudwatch::${local.account_id}:dashboard/${var.name}-*",
          "${local.arn.scheduler}:schedule/default/${var.name}-*",
          "arn:${local.partition}:backup:${local.region}:${local.account_id}:backup-vault:${var.name}*",
        ]
      },
      {
        Sid       = "Keys"
        Effect    = "Allow"
        Action    = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"]
        Resource  = ["${local.arn.kms}:key/*"]
        Condition = { StringLike = { "aws:ResourceTag/stack" = ["${var.name}", "${var.name}-*"] } }
      },
      {
        # Named by an id that nobody can foresee.
        Sid    = "ByIds"
        Effect = "Allow"
        Action = ["lambda:GetEventSourceMapping", "lambda:ListTags", "backup:GetBackupPlan", "backup:GetBackupSelection", "backup:ListTags", "apigateway:GET"]
        Resource = [
          "${local.arn.lambda}:event-source-mapping:*", "${local.arn.lambda}:function:${var.name}-*",
          "arn:${local.partition}:backup:${local.region}:${local.account_id}:backup-plan:*",
          "arn:${local.partition}:backup:${local.region}:${local.account_id}:backup-vault:${var.name}*",
          "arn:${local.partition}:apigateway:${local.region}::/*",
        ]
      },
      {
        # They know no resource; DescribeAlarms does, but hides composite alarms then.
        Sid    = "Look"
        Effect = "Allow"
        Action = [
          "logs:DescribeLogGroups", "cloudwatch:DescribeAlarms", "sns:GetSubscriptionAttributes", "sts:GetCallerIdentity", "kms:ListAliases",
          "ec2:DescribeAvailabilityZones", "ec2:DescribeNetworkAcls", "ec2:DescribePrefixLists", "ec2:DescribeRouteTables",
          "ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules", "ec2:DescribeSubnets", "ec2:DescribeTags", "ec2:DescribeVpcs",
          "ec2:DescribeVpcAttribute", "ec2:DescribeVpcEndpoints", "ec2:DescribeInternetGateways", "ec2:DescribePlacementGroups", "batch:DescribeComputeEnvironments",
          "batch:DescribeJobQueues", "batch:DescribeJobDefinitions", "batch:ListTagsForResource",
        ]
        Resource = ["*"]
      },
      {
        Sid    = "Roles"
        Effect = "Allow"
        Action = [
          "iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies",
          "iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions", "iam:GetInstanceProfile",
        ]
        Resource = ["${local.iam}:role/${var.name}-*", "${local.iam}:policy/${var.name}-*", "${local.iam}:instance-profile/${var.name}-*"]
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
