variable "name" {
  description = "Prefix of everything here, and of the stacks that the deploy role may touch: a stack is named <name> or <name>-<something>. Changing it replaces state bucket and registry."
  type        = string
  default     = "matinv"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name))
    error_message = "name has 2 to 20 of a-z 0-9 -, first a letter: it becomes part of bucket names, which end after 63 characters."
  }
}

variable "github_repository" {
  description = "The repository, owner/name, whose workflows may take the push, scan and deploy roles; null makes none."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null ? true : can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is owner/name without wildcards: \"owner/*\" would let every repository of the owner, future ones included, deploy here."
  }
}

variable "github_ids" {
  description = "Ids of the repository's owner and of the repository: gh api repos/OWNER/NAME --jq '.owner.id, .id'. GitHub puts them into the tokens of repositories that were created, renamed or transferred since 15 July 2026."
  type        = object({ owner = string, repository = string })
  default     = null

  validation {
    condition     = var.github_ids == null ? true : can(regex("^[0-9]+$", var.github_ids.owner)) && can(regex("^[0-9]+$", var.github_ids.repository)) && var.github_repository != null
    error_message = "github_ids are two numbers, beside github_repository: a token of any other form lets no workflow in."
  }
}

variable "github_branch" {
  description = "The branch whose workflows may push images."
  type        = string
  default     = "main"

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]+$", var.github_branch))
    error_message = "github_branch is one branch without wildcards: with \"*\" any branch, a fork's pull request merged into it included, could push what production runs."
  }
}

variable "github_environment" {
  description = "The GitHub environment whose jobs may deploy. Set reviewers on it: who passes them can change all of the stack."
  type        = string
  default     = "production"

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]+$", var.github_environment))
    error_message = "github_environment is one environment without wildcards: with \"*\" any job could name an environment without reviewers and deploy."
  }
}

variable "github_oidc_provider_arn" {
  description = "The account's OIDC provider of GitHub if it has one: there can be only one per account, and making a second fails. null makes it."
  type        = string
  default     = null

  validation {
    condition     = var.github_oidc_provider_arn == null ? true : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.github_oidc_provider_arn))
    error_message = "github_oidc_provider_arn ends in :oidc-provider/token.actions.githubusercontent.com: roles that trust another provider cannot be taken by GitHub's workflows."
  }
}

variable "kept_images" {
  description = "How many images the registry keeps; older ones are deleted. A function that runs an image which is gone fails as soon as Lambda's own copy is refreshed, and each commit on the branch pushes one whether it is deployed or not: keep more than there are commits between two deploys. A commit adds a layer of 0.4 MB, so that 500 cost less than ten cents a month."
  type        = number
  default     = 500

  validation {
    condition     = var.kept_images >= 100 && floor(var.kept_images) == var.kept_images
    error_message = "kept_images is at least 100: each commit pushes one, deployed or not, and with fewer the image that still runs is deleted after a few weeks without an approval."
  }
}

variable "disposable" {
  description = "Whether `terraform destroy` may delete registry and state bucket with all that is in them. With true, one wrong destroy and no stack can be changed any more."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags on every resource, beside project and stack."
  type        = map(string)
  default     = {}
}
