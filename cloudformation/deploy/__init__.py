"""`./deploy`: nic53 on AWS, by the AWS CLI and the standard library alone."""
