//! The analysis kernels with AVX2.
