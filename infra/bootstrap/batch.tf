# What a deploy may do for the switches `huge` and `grid` of infra/service, beyond what the policies `deploy` and `deploy-switches` let it: Batch's
# things, the way out of the lane's own network, and the profile of EC2's machines.

locals {
  batch_roles = [
    for pair in setproduct(["-", "-*-"], ["huge", "grid"], ["work", "start", "machine"]) : "${local.iam}:role/${var.name}${pair[0]}${pair[1]}-${pair[2]}"
  ]
}

resource "aws_iam_policy" "batch" {
  name        = "${var.name}-deploy-batch"
  description = "Apply the switches huge and grid of infra/service for stacks named ${var.name} or ${var.name}-*."
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # AWS names compute environments: they must be tagged as this project's, and only such ones can be touched afterwards.
        Sid       = "MakeMachines"
        Effect    = "Allow"
        Action    = ["batch:CreateComputeEnvironment", "batch:TagResource"]
        Resource  = ["arn:${local.partition}:batch:${local.region}:${local.account_id}:compute-environment/*"]
        Condition = { StringEquals = { "aws:RequestTag/project" = "matinv" } }
      },
      {
        Sid       = "KeepMachines"
        Effect    = "Allow"
        Action    = ["batch:UpdateComputeEnvironment", "batch:DeleteComputeEnvironment", "batch:CreateJobQueue", "batch:UpdateJobQueue", "batch:UntagResource"]
        Resource  = ["arn:${local.partition}:batch:${local.region}:${local.account_id}:compute-environment/*"]
        Condition = { StringEquals = { "aws:ResourceTag/project" = "matinv" } }
      },
      {
        Sid    = "QueuesAndDefinitions"
        Effect = "Allow"
        Action = [
          "batch:CreateJobQueue", "batch:UpdateJobQueue", "batch:DeleteJobQueue", "batch:RegisterJobDefinition", "batch:DeregisterJobDefinition",
          "batch:TagResource", "batch:UntagResource",
        ]
        Resource = [for kind in ["job-queue", "job-definition"] : "arn:${local.partition}:batch:${local.region}:${local.account_id}:${kind}/${var.name}-*"]
      },
      {
        # They know no resource.
        Sid    = "Look"
        Effect = "Allow"
        Action = [
          "batch:DescribeComputeEnvironments", "batch:DescribeJobQueues", "batch:DescribeJobDefinitions", "batch:ListTagsForResource",
          "ec2:DescribeInternetGateways", "ec2:DescribePlacementGroups",
        ]
        Resource = ["*"]
      },
      {
        # Machines that share a matrix stand close to each other.
        Sid      = "PlaceMachines"
        Effect   = "Allow"
        Action   = ["ec2:CreatePlacementGroup", "ec2:DeletePlacementGroup"]
        Resource = ["arn:${local.partition}:ec2:${local.region}:${local.account_id}:placement-group/${var.name}-*"]
      },
      {
        Sid       = "MakeWayOut"
        Effect    = "Allow"
        Action    = ["ec2:CreateInternetGateway", "ec2:CreateTags"]
        Resource  = ["*"]
        Condition = { StringEquals = { "aws:RequestTag/project" = "matinv" } }
      },
      {
        Sid       = "KeepWayOut"
        Effect    = "Allow"
        Action    = ["ec2:AttachInternetGateway", "ec2:DetachInternetGateway", "ec2:DeleteInternetGateway", "ec2:CreateRoute", "ec2:ReplaceRoute", "ec2:DeleteRoute"]
        Resource  = ["*"]
        Condition = { StringEquals = { "aws:ResourceTag/project" = "matinv" } }
      },
      {
        # As the policy `deploy` makes the functions' roles: only within the boundary.
        Sid       = "MakeRoles"
        Effect    = "Allow"
        Action    = ["iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary"]
        Resource  = local.batch_roles
        Condition = { StringEquals = { "iam:PermissionsBoundary" = aws_iam_policy.boundary.arn } }
      },
      {
        Sid    = "KeepRoles"
        Effect = "Allow"
        Action = [
          "iam:GetRole", "iam:DeleteRole", "iam:UpdateRole", "iam:UpdateRoleDescription", "iam:UpdateAssumeRolePolicy", "iam:TagRole", "iam:UntagRole",
          "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole",
        ]
        Resource = local.batch_roles
      },
      {
        Sid       = "PassRoles"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = local.batch_roles
        Condition = { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com", "ec2.amazonaws.com"] } }
      },
      {
        Sid    = "Profile"
        Effect = "Allow"
        Action = [
          "iam:CreateInstanceProfile", "iam:GetInstanceProfile", "iam:DeleteInstanceProfile", "iam:AddRoleToInstanceProfile",
          "iam:RemoveRoleFromInstanceProfile", "iam:TagInstanceProfile", "iam:UntagInstanceProfile",
        ]
        Resource = ["${local.iam}:instance-profile/${var.name}-*"]
      },
      {
        # The services' own roles, which the first compute environment of an account makes.
        Sid       = "ServicesRoles"
        Effect    = "Allow"
        Action    = ["iam:CreateServiceLinkedRole"]
        Resource  = ["${local.iam}:role/aws-service-role/*"]
        Condition = { StringEquals = { "iam:AWSServiceName" = ["batch.amazonaws.com", "ecs.amazonaws.com", "spot.amazonaws.com", "autoscaling.amazonaws.com"] } }
      },
      {
        Sid      = "LogGroup"
        Effect   = "Allow"
        Action   = ["logs:*"]
        Resource = ["${local.arn.logs}:log-group:/aws/batch/${var.name}-*"]
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "github_batch" {
  count = length(local.github)

  role       = aws_iam_role.github["deploy"].name
  policy_arn = aws_iam_policy.batch.arn
}
