//! The Lambda: `/nic/update` in front of Route 53, on `provided.al2023`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    nic53::lambda::run().await
}
