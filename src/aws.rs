//! How we reach AWS: credentials, region and endpoints the SDK's usual way, or in the Lambda from its
//! environment alone; TLS by Amazon's own roots, and limits so that a reply is out in time.

use std::{env, fs, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider, retry::RetryConfig,
    timeout::TimeoutConfig,
};
#[cfg(feature = "cli")]
use aws_config::{
    environment::EnvironmentVariableRegionProvider, meta::region::RegionProviderChain,
    profile::ProfileFileRegionProvider,
};
#[cfg(feature = "cli")]
use aws_sdk_route53::config::ProvideCredentials as _;
#[cfg(not(feature = "cli"))]
use aws_sdk_route53::config::SharedCredentialsProvider;
use aws_sdk_route53::config::SharedHttpClient;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};

/// The longest that one call to AWS may take, its retries included but for those after a busy answer.
pub const CALL_LIMIT: Duration = Duration::from_millis(4500);

/// The longest that one attempt may take.
const ATTEMPT_LIMIT: Duration = Duration::from_millis(2500);

/// The longest that opening a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// The longest wait before the first retry. It doubles for the next one.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// The region if none is configured. Route 53 has the same endpoint for all.
const FALLBACK_REGION: &str = "us-east-1";

/// The certificates that AWS's endpoints chain to (amazontrust.com/repository).
const AMAZON_ROOTS: &str = include_str!("aws/amazon-roots.pem");

/// The configuration that all AWS clients share. Makes no call.
///
/// # Errors
///
/// If `AWS_CA_BUNDLE` is set and cannot be read.
pub async fn config() -> Result<SdkConfig, String> {
    let trust_store = TrustStore::empty().with_pem_certificate(roots()?);
    let tls = TlsContext::builder().with_trust_store(trust_store).build().map_err(|error| error.to_string())?;
    let http_client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build_https();
    let limits = TimeoutConfig::builder()
        .connect_timeout(CONNECT_LIMIT)
        .operation_attempt_timeout(ATTEMPT_LIMIT)
        .operation_timeout(CALL_LIMIT)
        .build();
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(FIRST_BACKOFF);
    Ok(finish(http_client, limits, retries).await)
}

/// Credentials, region and endpoints of the Lambda: the environment has them all. Without the SDK's
/// other providers the archive is a tenth smaller.
#[cfg(not(feature = "cli"))]
#[expect(clippy::unused_async, reason = "as it is with the other providers")]
async fn finish(http_client: SharedHttpClient, limits: TimeoutConfig, retries: RetryConfig) -> SdkConfig {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(http_client)
        .region(variable("AWS_REGION").map_or(Region::from_static(FALLBACK_REGION), Region::new))
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .timeout_config(limits)
        .retry_config(retries);
    config.set_endpoint_url(variable("AWS_ENDPOINT_URL"));
    config.build()
}

/// Credentials, region and endpoints the SDK's usual way.
#[cfg(feature = "cli")]
async fn finish(http_client: SharedHttpClient, limits: TimeoutConfig, retries: RetryConfig) -> SdkConfig {
    // The SDK's own chain would ask the instance metadata service, which a home does not have.
    let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .or_else(Region::from_static(FALLBACK_REGION));
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http_client)
        .region(region)
        .timeout_config(limits)
        .retry_config(retries);
    // The SDK's own chain looks there first too; but it builds every other provider up front, which took
    // a fifth of the start.
    let environment = EnvironmentVariableCredentialsProvider::new();
    let in_environment = environment.provide_credentials().await.is_ok();
    let config = if in_environment { config.credentials_provider(environment) } else { config };
    config.load().await
}

/// The roots to trust, in PEM: those of `AWS_CA_BUNDLE` if it is set, as in every SDK.
fn roots() -> Result<String, String> {
    let Some(bundle) = env::var_os("AWS_CA_BUNDLE").filter(|bundle| !bundle.is_empty()) else {
        return Ok(AMAZON_ROOTS.to_owned());
    };
    let expected = "expected a readable file of PEM certificates";
    let problem =
        |problem: &dyn std::fmt::Display| format!("AWS_CA_BUNDLE={}: {problem}: {expected}", bundle.display());
    let pem = fs::read_to_string(&bundle).map_err(|error| problem(&error))?;
    if pem.contains("-----BEGIN CERTIFICATE-----") { Ok(pem) } else { Err(problem(&"no certificate in it")) }
}

/// An error of the SDK with all its causes, as one line.
pub fn causes(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let mut lines: Vec<String> = chain.map(ToString::to_string).collect();
    // An error often repeats the text of its cause.
    lines.dedup();
    lines.join(": ")
}
