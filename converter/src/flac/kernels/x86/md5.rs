//! The md5 kernels with AVX2.
