/* Packs a file with zlib, as gzip does, and unpacks it again into another. */
#include <stdio.h>
#include "zlib.h"

int main(int argc, char **argv) {
  char buffer[8192];
  size_t got;
  int n;
  if (argc != 4) return 2;
  FILE *in = fopen(argv[1], "rb");
  gzFile packed = gzopen(argv[2], "wb9");
  if (!in || !packed) return 3;
  while ((got = fread(buffer, 1, sizeof buffer, in)) > 0)
    if (gzwrite(packed, buffer, (unsigned)got) != (int)got) return 4;
  fclose(in);
  if (gzclose(packed) != Z_OK) return 5;
  packed = gzopen(argv[2], "rb");
  FILE *out = fopen(argv[3], "wb");
  if (!packed || !out) return 6;
  while ((n = gzread(packed, buffer, sizeof buffer)) > 0)
    if (fwrite(buffer, 1, (size_t)n, out) != (size_t)n) return 7;
  return n == 0 && gzclose(packed) == Z_OK && fclose(out) == 0 ? 0 : 8;
}
