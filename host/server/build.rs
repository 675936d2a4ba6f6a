//! Makes the code of the gRPC interface from its proto, where the feature is on. Without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "grpc")]
    grpc::generate()?;
    Ok(())
}

#[cfg(feature = "grpc")]
mod grpc {
    use std::error::Error;
    use std::path::PathBuf;

    use protox::prost::Message as _;

    const PROTO: &str = "proto/brio/v1/session.proto";

    pub(crate) fn generate() -> Result<(), Box<dyn Error>> {
        println!("cargo::rerun-if-changed={PROTO}");
        let described = protox::compile([PROTO], ["proto"])?;
        let out = PathBuf::from(std::env::var("OUT_DIR")?);
        // For reflection.
        std::fs::write(out.join("session.bin"), described.encode_to_vec())?;
        tonic_prost_build::configure()
            .build_client(cfg!(feature = "grpc-client"))
            .build_transport(false)
            .compile_fds(described)?;
        Ok(())
    }
}
