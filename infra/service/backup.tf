# Switch `backup`: AWS Backup of records and files, beside what is there anyway: point-in-time recovery of the table (35 days),
# versions of every object (14 days). ../RUNBOOK.md walks through both ways back.

variable "backup" {
  description = <<-TEXT
    Daily backups of table, inputs and results, in a vault of their own that outlives them; null for none. role_arn is the role
    that bootstrap makes (`terraform output backup_role_arn`). copy_to_vault_arn: another vault, of another region or account,
    that gets a copy of each. $0.10 per GB and month of records, $0.05 of objects.
  TEXT
  type = object({
    role_arn          = string
    keep_days         = optional(number, 35)
    schedule          = optional(string, "cron(30 4 * * ? *)")
    copy_to_vault_arn = optional(string)
  })
  default = null

  validation {
    condition     = var.backup == null ? true : var.backup.keep_days >= 1 && var.backup.keep_days <= 36500 && floor(var.backup.keep_days) == var.backup.keep_days
    error_message = "backup.keep_days is a whole number from 1 to 36500: AWS Backup refuses others in the middle of the apply, and 0 would keep, and bill, for ever."
  }
  validation {
    condition     = var.backup == null ? true : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", var.backup.role_arn))
    error_message = "backup.role_arn is the ARN of a role that AWS Backup may take: without one it backs up nothing, and says so only in its own console."
  }
}

resource "aws_backup_vault" "this" {
  count = var.backup == null ? 0 : 1

  name          = var.name
  kms_key_arn   = local.key_arn # null: AWS Backup's own
  force_destroy = var.disposable
}

resource "aws_backup_plan" "this" {
  count = var.backup == null ? 0 : 1

  name = var.name

  rule {
    rule_name         = "daily"
    target_vault_name = aws_backup_vault.this[0].name
    schedule          = var.backup.schedule
    start_window      = 60
    completion_window = 720

    lifecycle {
      delete_after = var.backup.keep_days
    }

    dynamic "copy_action" {
      for_each = var.backup.copy_to_vault_arn[*]

      content {
        destination_vault_arn = copy_action.value

        lifecycle {
          delete_after = var.backup.keep_days
        }
      }
    }
  }
}

resource "aws_backup_selection" "this" {
  count = var.backup == null ? 0 : 1

  name         = "records-and-files"
  plan_id      = aws_backup_plan.this[0].id
  iam_role_arn = var.backup.role_arn
  resources    = [aws_dynamodb_table.jobs.arn, module.inputs.arn, module.results.arn]
}
