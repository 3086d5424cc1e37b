mock_provider "aws" {
  source = "../testing/mocks"
}

override_resource {
  target = aws_iam_policy.boundary
  values = { arn = "arn:aws:iam::123456789012:policy/matinv-boundary" }
}

run "without_github_there_is_no_way_in" {
  assert {
    condition     = length(aws_iam_role.github) == 0 && length(aws_iam_openid_connect_provider.github) == 0
    error_message = "roles for workflows of no repository"
  }

  assert {
    condition     = aws_ecr_repository.images.image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.images.image_scanning_configuration[0].scan_on_push
    error_message = "the registry is not immutable and scanned"
  }

  assert {
    condition     = jsondecode(aws_ecr_lifecycle_policy.images.policy).rules[1].selection.countNumber == 500
    error_message = "the registry does not keep kept_images"
  }

  assert {
    condition     = aws_codebuild_project.image.environment[0].type == "ARM_CONTAINER" && aws_codebuild_project.image.environment[0].privileged_mode
    error_message = "the build machine is not arm64, or cannot run docker"
  }

  assert {
    condition     = strcontains(output.backend, "use_lockfile = true") && strcontains(output.backend, "encrypt      = true")
    error_message = "states would be kept without lock or encryption"
  }
}

run "only_one_branch_pushes_and_one_environment_deploys" {
  variables {
    github_repository = "acme/matinv"
  }

  assert {
    condition = alltrue([
      for role in ["push", "scan"] : jsondecode(aws_iam_role.github[role].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:acme/matinv:ref:refs/heads/main"]
    ])
    error_message = "the push role trusts more than one branch"
  }

  assert {
    condition     = jsondecode(aws_iam_role.github["deploy"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:acme/matinv:environment:production"]
    error_message = "the deploy role trusts more than one environment"
  }

  assert {
    condition     = jsondecode(aws_iam_role.github["plan"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:acme/matinv:pull_request", "repo:acme/matinv:ref:refs/heads/main"]
    error_message = "the plan role trusts more than the repository's pull requests and one branch"
  }

  assert {
    condition = alltrue([
      for s in jsondecode(aws_iam_policy.plan.policy).Statement : alltrue([for a in s.Action : can(regex(":(Get|List|Describe|View|GET)", a))])
    ])
    error_message = "who opens a pull request could change something"
  }

  assert {
    condition = length(setintersection(
      flatten([for s in jsondecode(aws_iam_policy.plan.policy).Statement : s.Action if s.Sid != "State"]),
      ["s3:GetObject", "dynamodb:GetItem", "dynamodb:Query", "sqs:ReceiveMessage", "logs:GetLogEvents", "logs:FilterLogEvents"],
    )) == 0
    error_message = "who opens a pull request could read what jobs hold"
  }

  assert {
    condition = alltrue([
      for role in aws_iam_role.github : jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    ])
    error_message = "a role takes tokens that were made for somebody else"
  }

  assert {
    condition     = length(aws_iam_role_policy.github) == 2 && length(aws_iam_role_policy_attachment.github_deploy) == 1
    error_message = "the roles may do nothing"
  }
}

# github.blog/changelog/2026-04-23, "immutable subject claims": what a new repository's token says.
run "tokens_with_ids_are_trusted_beside_those_without" {
  variables {
    github_repository = "acme/matinv"
    github_ids        = { owner = "1234", repository = "987654321" }
  }

  assert {
    condition = jsondecode(aws_iam_role.github["deploy"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == [
      "repo:acme/matinv:environment:production", "repo:acme@1234/matinv@987654321:environment:production",
    ]
    error_message = "a repository created since 15 July 2026 cannot deploy, or somebody else can"
  }
}

run "ids_that_are_no_numbers_are_refused" {
  command = plan
  variables {
    github_repository = "acme/matinv"
    github_ids        = { owner = "*", repository = "1" }
  }
  expect_failures = [var.github_ids]
}

run "an_account_that_knows_github_gets_no_second_provider" {
  variables {
    github_repository        = "acme/matinv"
    github_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && length(aws_iam_role.github) == 4
    error_message = "a second provider, or no roles"
  }
}

run "every_role_that_a_deploy_makes_is_bounded" {
  assert {
    condition = alltrue([
      for s in jsondecode(aws_iam_policy.deploy.policy).Statement : s.Condition.StringEquals["iam:PermissionsBoundary"] == "arn:aws:iam::123456789012:policy/matinv-boundary"
      if contains(s.Action, "iam:CreateRole") || contains(s.Action, "iam:PutRolePolicy") || contains(s.Action, "iam:AttachRolePolicy")
    ])
    error_message = "a deploy could make itself an administrator"
  }

  assert {
    condition = alltrue([
      for s in jsondecode(aws_iam_policy.deploy.policy).Statement : !contains(s.Action, "*") && !contains(s.Action, "iam:*")
    ])
    error_message = "the deploy role may do everything"
  }
}

run "wildcard_repository_is_refused" {
  command = plan
  variables {
    github_repository = "acme/*"
  }
  expect_failures = [var.github_repository]
}

run "wildcard_branch_is_refused" {
  command = plan
  variables {
    github_branch = "*"
  }
  expect_failures = [var.github_branch]
}

run "wildcard_environment_is_refused" {
  command = plan
  variables {
    github_environment = "*"
  }
  expect_failures = [var.github_environment]
}

run "foreign_oidc_provider_is_refused" {
  command = plan
  variables {
    github_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/evil.example"
  }
  expect_failures = [var.github_oidc_provider_arn]
}

run "registry_that_forgets_too_soon_is_refused" {
  command = plan
  variables {
    kept_images = 30
  }
  expect_failures = [var.kept_images]
}

run "name_too_long_for_buckets_is_refused" {
  command = plan
  variables {
    name = "a-name-of-23-characters"
  }
  expect_failures = [var.name]
}
