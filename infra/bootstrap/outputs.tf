output "repository_url" {
  description = "Where images are pushed."
  value       = aws_ecr_repository.images.repository_url
}

output "backend" {
  description = "The backend file of a stack's state: terraform output -raw backend > backend.hcl, then put the stack's name into `key`."
  value       = <<-HCL
    bucket       = "${module.state.id}"
    key          = "service/${var.name}.tfstate"
    region       = "${local.region}"
    encrypt      = true
    use_lockfile = true
  HCL
}

output "roles" {
  description = "ARNs of the roles for workflows: push, scan, plan and deploy."
  value       = { for key, role in aws_iam_role.github : key => role.arn }
}

output "deploy_policy_arn" {
  description = "What the deploy role may do, to attach to people or other CI systems as well."
  value       = aws_iam_policy.deploy.arn
}

output "permissions_boundary_arn" {
  description = "Pass it to infra/service as permissions_boundary_arn: the deploy role may make no roles without it."
  value       = aws_iam_policy.boundary.arn
}

output "build" {
  description = "The CodeBuild project that builds the image, and where it reads the source archive."
  value       = { project = aws_codebuild_project.image.name, source = "s3://${module.source.id}/source.zip" }
}
