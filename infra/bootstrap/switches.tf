# What a deploy may do for the switches of infra/service: customer_key, network, backup, http_api. Apart from the policy `deploy`,
# as a policy ends at 6,144 characters.

resource "aws_iam_policy" "switches" {
  name        = "${var.name}-deploy-switches"
  description = "Apply the switches of infra/service for stacks named ${var.name} or ${var.name}-*: key, network, backup, HTTP API."
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # A new key has no name yet: it must be tagged as this project's, and only such a one can be touched afterwards.
        Sid       = "MakeKey"
        Effect    = "Allow"
        Action    = ["kms:CreateKey"]
        Resource  = ["*"]
        Condition = { StringEquals = { "aws:RequestTag/project" = "matinv" } }
      },
      {
        Sid    = "KeepKey"
        Effect = "Allow"
        Action = [
          "kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy", "kms:GetKeyRotationStatus", "kms:EnableKeyRotation", "kms:ListResourceTags",
          "kms:TagResource", "kms:UntagResource", "kms:UpdateKeyDescription", "kms:ScheduleKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias",
          "kms:UpdateAlias", "kms:CreateGrant", "kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey",
          "kms:GenerateDataKeyWithoutPlaintext",
        ]
        Resource  = ["${local.arn.kms}:key/*"]
        Condition = { StringLike = { "aws:ResourceTag/stack" = ["${var.name}", "${var.name}-*"] } }
      },
      {
        Sid      = "NameKey"
        Effect   = "Allow"
        Action   = ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"]
        Resource = ["${local.arn.kms}:alias/${var.name}", "${local.arn.kms}:alias/${var.name}-*"]
      },
      {
        Sid    = "Look"
        Effect = "Allow"
        Action = [
          "kms:ListAliases", "ec2:DescribeAvailabilityZones", "ec2:DescribeNetworkAcls", "ec2:DescribeNetworkInterfaces", "ec2:DescribePrefixLists",
          "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules", "ec2:DescribeSubnets", "ec2:DescribeTags",
          "ec2:DescribeVpcs", "ec2:DescribeVpcAttribute", "ec2:DescribeVpcEndpoints",
        ]
        Resource = ["*"]
      },
      {
        Sid       = "MakeNetwork"
        Effect    = "Allow"
        Action    = ["ec2:CreateVpc", "ec2:CreateSubnet", "ec2:CreateRouteTable", "ec2:CreateSecurityGroup", "ec2:CreateVpcEndpoint", "ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress", "ec2:CreateTags"]
        Resource  = ["*"]
        Condition = { StringEquals = { "aws:RequestTag/project" = "matinv" } }
      },
      {
        # Making one thing of a network names the others, which are tagged already.
        Sid    = "KeepNetwork"
        Effect = "Allow"
        Action = [
          "ec2:CreateSubnet", "ec2:CreateRouteTable", "ec2:CreateSecurityGroup", "ec2:CreateVpcEndpoint", "ec2:CreateTags", "ec2:DeleteTags",
          "ec2:ModifyVpcAttribute", "ec2:DeleteVpc", "ec2:ModifySubnetAttribute", "ec2:DeleteSubnet", "ec2:DeleteRouteTable",
          "ec2:AssociateRouteTable", "ec2:DisassociateRouteTable", "ec2:ModifyVpcEndpoint", "ec2:DeleteVpcEndpoints", "ec2:DeleteSecurityGroup",
          "ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress",
          "ec2:ModifySecurityGroupRules",
        ]
        Resource  = ["*"]
        Condition = { StringEquals = { "aws:ResourceTag/project" = "matinv" } }
      },
      {
        Sid    = "Backups"
        Effect = "Allow"
        Action = [
          "backup:CreateBackupVault", "backup:DescribeBackupVault", "backup:DeleteBackupVault", "backup:CreateBackupPlan", "backup:GetBackupPlan",
          "backup:UpdateBackupPlan", "backup:DeleteBackupPlan", "backup:CreateBackupSelection", "backup:GetBackupSelection",
          "backup:DeleteBackupSelection", "backup:ListTags", "backup:TagResource", "backup:UntagResource", "backup-storage:MountCapsule",
        ]
        Resource = ["*"] # a plan has an id for a name
      },
      {
        Sid       = "PassBackupRole"
        Effect    = "Allow"
        Action    = ["iam:PassRole", "iam:GetRole"]
        Resource  = [aws_iam_role.backup.arn]
        Condition = { StringEqualsIfExists = { "iam:PassedToService" = "backup.amazonaws.com" } }
      },
      {
        Sid      = "HttpApi"
        Effect   = "Allow"
        Action   = ["apigateway:GET", "apigateway:POST", "apigateway:PUT", "apigateway:PATCH", "apigateway:DELETE", "apigateway:TagResource"]
        Resource = [for path in ["apis", "apis/*", "domainnames", "domainnames/*", "tags/*"] : "arn:${local.partition}:apigateway:${local.region}::/${path}"]
      },
      {
        # API Gateway's own role, which the first domain of an account makes.
        Sid       = "HttpApiRole"
        Effect    = "Allow"
        Action    = ["iam:CreateServiceLinkedRole"]
        Resource  = ["${local.iam}:role/aws-service-role/ops.apigateway.amazonaws.com/*"]
        Condition = { StringEquals = { "iam:AWSServiceName" = "ops.apigateway.amazonaws.com" } }
      },
      {
        # Access logs are switched on with the rights of whoever makes the stage.
        Sid    = "HttpApiLogs"
        Effect = "Allow"
        Action = [
          "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:ListLogDeliveries",
          "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
        ]
        Resource = ["*"]
      },
      {
        Sid      = "HttpApiLogGroup"
        Effect   = "Allow"
        Action   = ["logs:*"]
        Resource = ["${local.arn.logs}:log-group:/aws/http-api/${var.name}-*"]
      },
    ]
  })
}

# AWS Backup takes it, for every stack of the account that has `backup` set. It is made here because a deploy makes no roles
# beyond the boundary, and what AWS Backup needs is beyond it.
resource "aws_iam_role" "backup" {
  name        = "${var.name}-backup-role"
  description = "What AWS Backup may do: back up and restore tables and buckets."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "backup.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "backup" {
  for_each = toset([
    "service-role/AWSBackupServiceRolePolicyForBackup", "service-role/AWSBackupServiceRolePolicyForRestores",
    "AWSBackupServiceRolePolicyForS3Backup", "AWSBackupServiceRolePolicyForS3Restore",
  ])

  role       = aws_iam_role.backup.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.value}"
}

# AWS' managed policies know nothing of a stack's own key.
resource "aws_iam_role_policy" "backup_key" {
  name = "key"
  role = aws_iam_role.backup.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OwnKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:CreateGrant"]
      Resource  = ["${local.arn.kms}:key/*"]
      Condition = { StringLike = { "aws:ResourceTag/stack" = ["${var.name}", "${var.name}-*"] } }
    }]
  })
}

output "backup_role_arn" {
  description = "The role that AWS Backup takes: role_arn of infra/service's variable `backup`."
  value       = aws_iam_role.backup.arn
}
