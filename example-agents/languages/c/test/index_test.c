/* The work, natively, in a directory of its own. */
#undef NDEBUG
#include "../src/index.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *path, const char *text) {
  FILE *file = fopen(path, "wb");
  assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

int main(void) {
  char dir[] = "/tmp/my-agent-XXXXXX";
  assert(mkdtemp(dir) && chdir(dir) == 0 && mkdir("below", 0777) == 0);
  struct index index;
  struct index_error error;
  assert(!index_write(".", "Mine", &index, &error) && error.kind == INDEX_FAILED);
  put("b.txt", "one\ntwo");
  put("a.txt", "");
  for (int i = 0; i < 2; i++) {
    assert(index_write(".", "Mine", &index, &error));
    assert(index.files == 2 && index.lines == 2);
  }
  char text[200] = "";
  FILE *file = fopen(INDEX_FILE, "rb");
  assert(file && fread(text, 1, sizeof text - 1, file) > 0 && fclose(file) == 0);
  assert(!strcmp(text, "# Mine\n\n| file | lines |\n|---|---|\n| a.txt | 0 |\n| b.txt | 2 |\n"));
  assert(!index_write(".", "two\nlines", &index, &error) && error.kind == INDEX_INVALID_TASK);
  assert(!index_write("no/such", "Mine", &index, &error) && error.kind == INDEX_IO);
  assert(!unlink(INDEX_FILE) && !unlink("a.txt") && !unlink("b.txt") && !rmdir("below"));
  assert(!rmdir(dir));
  puts("1 passed, 0 failed");
  return 0;
}
