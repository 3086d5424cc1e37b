# What workflows of one repository may do, without any key: one branch pushes and scans images, one environment deploys.

locals {
  github        = var.github_repository[*] # a list of none or one
  github_issuer = "token.actions.githubusercontent.com"
  oidc_provider = var.github_oidc_provider_arn != null ? var.github_oidc_provider_arn : one(aws_iam_openid_connect_provider.github[*].arn)
  github_claims = {
    push   = ["ref:refs/heads/${var.github_branch}"]
    scan   = ["ref:refs/heads/${var.github_branch}"]
    plan   = ["pull_request", "ref:refs/heads/${var.github_branch}"] # a fork's pull request gets no token of this repository
    deploy = ["environment:${var.github_environment}"]
  }

  # GitHub writes `repo:owner/name:…`, and with both ids `repo:owner@1/name@2:…` for repositories that were created, renamed
  # or transferred since 15 July 2026. A role trusts both forms of the one repository, and nothing else.
  github_ids = var.github_ids == null ? [] : ["${split("/", var.github_repository)[0]}@${var.github_ids.owner}/${split("/", var.github_repository)[1]}@${var.github_ids.repository}"]
  github_subjects = {
    for role, claims in local.github_claims : role => [for pair in setproduct(concat(local.github, local.github_ids), claims) : "repo:${join(":", pair)}"]
  }

  push_statements = [
    {
      Sid      = "LogIn"
      Effect   = "Allow"
      Action   = ["ecr:GetAuthorizationToken"]
      Resource = ["*"] # knows no resource
    },
    {
      Sid    = "Push"
      Effect = "Allow"
      Action = [
        "ecr:BatchCheckLayerAvailability", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload",
        "ecr:PutImage", "ecr:BatchGetImage", "ecr:DescribeImages",
      ]
      Resource = [aws_ecr_repository.images.arn]
    },
  ]

  scan_statements = [
    {
      Sid      = "Scan"
      Effect   = "Allow"
      Action   = ["ecr:DescribeImages", "ecr:StartImageScan", "ecr:DescribeImageScanFindings"]
      Resource = [aws_ecr_repository.images.arn]
    },
  ]
}

resource "aws_iam_openid_connect_provider" "github" {
  count = length(local.github) == 1 && var.github_oidc_provider_arn == null ? 1 : 0

  url            = "https://${local.github_issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "github" {
  for_each = length(local.github) == 1 ? local.github_subjects : {}

  name        = "${var.name}-github-${each.key}"
  description = "For workflows of ${one(local.github)}, ${join(", ", local.github_claims[each.key])}."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = local.oidc_provider }
      Condition = {
        StringEquals = {
          "${local.github_issuer}:aud" = "sts.amazonaws.com"
          "${local.github_issuer}:sub" = each.value
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "github" {
  for_each = length(local.github) == 1 ? { push = local.push_statements, scan = local.scan_statements } : {}

  name   = each.key
  role   = aws_iam_role.github[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = each.value })
}

# Bounds every role that a stack makes, so that whoever can deploy cannot make a role that can do more than this.
resource "aws_iam_policy" "boundary" {
  name        = "${var.name}-boundary"
  description = "The most that a function of a ${var.name} stack may ever do."
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Work"
        Effect = "Allow"
        Action = [
          "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject",
          "s3:DeleteObjectVersion", "s3:ListBucket", "s3:ListBucketVersions",
          "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate",
          "sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes",
          "sns:Publish", "lambda:InvokeFunction", "logs:CreateLogStream", "logs:PutLogEvents",
        ]
        Resource = [
          "arn:${local.partition}:s3:::${var.name}-*",
          "${local.arn.dynamodb}:table/${var.name}-*",
          "${local.arn.sqs}:${var.name}-*",
          "${local.arn.sns}:${var.name}-*",
          "${local.arn.lambda}:function:${var.name}-*",
          "${local.arn.logs}:log-group:/aws/lambda/${var.name}-*",
          "${local.arn.logs}:log-group:/aws/batch/${var.name}-*",
        ]
      },
      {
        # Machines of AWS Batch: workers ask for them, the canary sees whether there are any.
        Sid      = "AskForMachines"
        Effect   = "Allow"
        Action   = ["batch:SubmitJob", "batch:ListJobs"]
        Resource = ["*"]
      },
      {
        # What starts a container there: the image; and of EC2, the machine's place in Batch's cluster, whose name is Batch's.
        Sid    = "StartMachines"
        Effect = "Allow"
        Action = [
          "ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability",
          "ecs:DiscoverPollEndpoint", "ecs:Poll", "ecs:RegisterContainerInstance", "ecs:DeregisterContainerInstance",
          "ecs:StartTelemetrySession", "ecs:SubmitContainerStateChange", "ecs:SubmitTaskStateChange", "ecs:UpdateContainerInstancesState",
        ]
        Resource = ["*"]
      },
      {
        # X-Ray knows no resources to name.
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
        Resource = ["*"]
      },
      {
        # The events topic is encrypted with SNS' own key, whose policy lets every publisher of the account use it.
        Sid       = "EventsKey"
        Effect    = "Allow"
        Action    = ["kms:GenerateDataKey*", "kms:Decrypt"]
        Resource  = ["${local.arn.kms}:key/*"]
        Condition = { StringEquals = { "kms:ViaService" = "sns.${local.region}.amazonaws.com" } }
      },
      {
        # A stack's own key (customer_key), for what it encrypts.
        Sid       = "OwnKey"
        Effect    = "Allow"
        Action    = ["kms:GenerateDataKey", "kms:Decrypt", "kms:DescribeKey"]
        Resource  = ["${local.arn.kms}:key/*"]
        Condition = { StringLike = { "aws:ResourceTag/stack" = ["${var.name}", "${var.name}-*"] } }
      },
      {
        # Lambda, in the role's name, where functions run in a network; none of them knows a resource beforehand.
        Sid    = "JoinNetwork"
        Effect = "Allow"
        Action = [
          "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
          "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
        ]
        Resource = ["*"]
      },
    ]
  })
}

resource "aws_iam_policy" "deploy" {
  name        = "${var.name}-deploy"
  description = "Apply infra/service for stacks named ${var.name} or ${var.name}-*."
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "State"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"]
        Resource = [module.state.arn, "${module.state.arn}/service/*"]
      },
      {
        Sid      = "Image"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:DescribeImages", "ecr:GetRepositoryPolicy"]
        Resource = [aws_ecr_repository.images.arn]
      },
      {
        Sid    = "OwnResources"
        Effect = "Allow"
        Action = ["sqs:*", "sns:*", "dynamodb:*", "lambda:*", "logs:*", "cloudwatch:*", "scheduler:*"]
        Resource = [
          "${local.arn.sqs}:${var.name}-*",
          "${local.arn.sns}:${var.name}-*",
          "${local.arn.dynamodb}:table/${var.name}-*",
          "${local.arn.lambda}:function:${var.name}-*",
          "${local.arn.logs}:log-group:/aws/lambda/${var.name}-*",
          "${local.arn.cloudwatch}:alarm:${var.name}-*",
          "arn:${local.partition}:cloudwatch::${local.account_id}:dashboard/${var.name}-*",
          "${local.arn.scheduler}:schedule/default/${var.name}-*",
        ]
      },
      {
        Sid      = "Buckets"
        Effect   = "Allow"
        Action   = ["s3:*"]
        Resource = ["arn:${local.partition}:s3:::${var.name}-*-inputs-*", "arn:${local.partition}:s3:::${var.name}-inputs-*", "arn:${local.partition}:s3:::${var.name}-*-results-*", "arn:${local.partition}:s3:::${var.name}-results-*"]
      },
      {
        Sid       = "Mappings"
        Effect    = "Allow"
        Action    = ["lambda:CreateEventSourceMapping", "lambda:UpdateEventSourceMapping", "lambda:DeleteEventSourceMapping"]
        Resource  = ["*"]
        Condition = { ArnLike = { "lambda:FunctionArn" = "${local.arn.lambda}:function:${var.name}-*" } }
      },
      {
        Sid    = "Look"
        Effect = "Allow"
        Action = [
          "lambda:GetEventSourceMapping", "lambda:ListEventSourceMappings", "lambda:ListTags", "logs:DescribeLogGroups",
          "cloudwatch:DescribeAlarms", "sns:ListTopics", "sqs:ListQueues", "sts:GetCallerIdentity",
        ]
        Resource = ["*"]
      },
      {
        # They know no resource: a subscription is named by its own ARN, which no policy can foresee.
        Sid      = "Subscriptions"
        Effect   = "Allow"
        Action   = ["sns:GetSubscriptionAttributes", "sns:SetSubscriptionAttributes", "sns:Unsubscribe"]
        Resource = ["*"]
      },
      {
        # CloudWatch takes it for all alarms or not at all.
        Sid      = "CompositeAlarm"
        Effect   = "Allow"
        Action   = ["cloudwatch:PutCompositeAlarm"]
        Resource = ["*"]
      },
      {
        Sid      = "TagMappings"
        Effect   = "Allow"
        Action   = ["lambda:TagResource", "lambda:UntagResource"]
        Resource = ["${local.arn.lambda}:event-source-mapping:*"]
      },
      {
        # Roles only within the boundary: otherwise a deploy could make itself an administrator.
        Sid    = "MakeRoles"
        Effect = "Allow"
        Action = [
          "iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:AttachRolePolicy", "iam:DetachRolePolicy",
          "iam:PutRolePermissionsBoundary",
        ]
        Resource  = [for suffix in local.role_suffixes : "${local.iam}:role/${var.name}${suffix}"]
        Condition = { StringEquals = { "iam:PermissionsBoundary" = aws_iam_policy.boundary.arn } }
      },
      {
        Sid    = "KeepRoles"
        Effect = "Allow"
        Action = [
          "iam:GetRole", "iam:DeleteRole", "iam:UpdateRole", "iam:UpdateRoleDescription", "iam:UpdateAssumeRolePolicy", "iam:TagRole", "iam:UntagRole",
          "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole",
        ]
        Resource = [for suffix in local.role_suffixes : "${local.iam}:role/${var.name}${suffix}"]
      },
      {
        Sid       = "PassRoles"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = [for suffix in local.role_suffixes : "${local.iam}:role/${var.name}${suffix}"]
        Condition = { StringEquals = { "iam:PassedToService" = ["lambda.amazonaws.com", "scheduler.amazonaws.com"] } }
      },
      {
        # Made and removed, but never rewritten: otherwise a workflow that somebody takes over could give itself, through people
        # who have the policy, all of their account. IAM deletes none that is attached (API reference, DeletePolicy).
        Sid    = "PoliciesForPeople"
        Effect = "Allow"
        Action = [
          "iam:CreatePolicy", "iam:DeletePolicy", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions",
          "iam:DeletePolicyVersion", "iam:TagPolicy", "iam:UntagPolicy",
        ]
        Resource = [for suffix in ["-client", "-operator", "-*-client", "-*-operator"] : "${local.iam}:policy/${var.name}${suffix}"]
      },
      {
        # SAR: ViewBudget depends on billing:GetBillingViewData, which knows no budget.
        Sid      = "BillingView"
        Effect   = "Allow"
        Action   = ["billing:GetBillingViewData"]
        Resource = ["*"]
      },
      {
        Sid      = "Budget"
        Effect   = "Allow"
        Action   = ["budgets:ViewBudget", "budgets:ModifyBudget", "budgets:ListTagsForResource", "budgets:TagResource", "budgets:UntagResource"]
        Resource = ["arn:${local.partition}:budgets::${local.account_id}:budget/${var.name}-*"]
      },
    ]
  })
}

locals {
  # The names that infra/service gives to roles. Those of this file are not among them: a deploy must not widen itself.
  role_suffixes = [
    for pair in setproduct(["-", "-*-"], ["worker", "worker-large", "api", "canary", "scheduler"]) : join("", pair)
  ]
}

resource "aws_iam_role_policy_attachment" "github_deploy" {
  count = length(local.github)

  role       = aws_iam_role.github["deploy"].name
  policy_arn = aws_iam_policy.deploy.arn
}

resource "aws_iam_role_policy_attachment" "github_switches" {
  count = length(local.github)

  role       = aws_iam_role.github["deploy"].name
  policy_arn = aws_iam_policy.switches.arn
}
