//! Tests of the public API: profiles, lists, OCSP, CMS, requests and paths, judged by OpenSSL where it is installed and
//! by the published x509-limbo suite.

mod cms;
mod crl;
mod csr;
mod limbo;
mod master_list;
mod mldsa;
mod ocsp;
mod openssl;
mod path;
mod pkits;
mod profiles;
mod robustness;
mod support;
mod tsp;
