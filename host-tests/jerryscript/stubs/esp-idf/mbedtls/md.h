/* Stands in for mbedTLS: one hash. */
#pragma once

#include <stddef.h>

typedef enum { MBEDTLS_MD_SHA256 = 6 } mbedtls_md_type_t;
typedef struct mbedtls_md_info_t mbedtls_md_info_t;

const mbedtls_md_info_t *mbedtls_md_info_from_type(mbedtls_md_type_t type);
int mbedtls_md(const mbedtls_md_info_t *info, const unsigned char *bytes, size_t length, unsigned char *hash);
