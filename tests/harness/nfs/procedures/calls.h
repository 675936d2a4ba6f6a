/* Calls of NFSv3 and MOUNT by libnfs, one after the other: `CALL` sends one and waits for its
 * answer. That is kept in one static place, without what it points to: a handle, data, a listing
 * are copied to others. */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>

struct handle { unsigned len; char bytes[NFS3_FHSIZE]; };

static struct rpc_context *rpc;
static const char *server;
static int port, wrong, done, rpc_status;
static size_t answer_size;
static _Alignas(16) char answer[4096];
/* What an answer points to lives only as long as the callback: a copy of it. */
static struct handle got;
static char bytes[1 << 20];
static unsigned bytes_len;
static char names[4000][256];
static uint64_t cookies[4000], ids[4000];
static unsigned entries, with_attributes, with_handles, at_end;
static enum { NOTHING, LOOKED_UP, READ_DATA, READ_LINK, LISTED, LISTED_PLUS, MADE, MOUNTED, EXPORTED } kind;

static void copy_handle(const nfs_fh3 *h) {
  got.len = h->data.data_len;
  memcpy(got.bytes, h->data.data_val, got.len);
}

static void list(uint64_t id, const char *name, uint64_t cookie) {
  if (entries == 4000) return;
  snprintf(names[entries], sizeof names[0], "%s", name);
  ids[entries] = id;
  cookies[entries++] = cookie;
}

static void keep(void *data) {
  LOOKUP3res *lookup = data;
  READ3res *read = data;
  READLINK3res *readlink = data;
  READDIR3res *dir = data;
  READDIRPLUS3res *plus = data;
  CREATE3res *made = data;
  mountres3 *mount = data;
  got.len = bytes_len = entries = with_attributes = with_handles = at_end = 0;
  if (kind == NOTHING || (kind != EXPORTED && lookup->status != NFS3_OK)) return;
  switch (kind) {
  case LOOKED_UP: copy_handle(&lookup->LOOKUP3res_u.resok.object); break;
  case MADE:
    if (made->CREATE3res_u.resok.obj.handle_follows)
      copy_handle(&made->CREATE3res_u.resok.obj.post_op_fh3_u.handle);
    break;
  case READ_DATA:
    bytes_len = read->READ3res_u.resok.data.data_len;
    memcpy(bytes, read->READ3res_u.resok.data.data_val, bytes_len);
    break;
  case READ_LINK:
    bytes_len = strlen(readlink->READLINK3res_u.resok.data);
    memcpy(bytes, readlink->READLINK3res_u.resok.data, bytes_len + 1);
    break;
  case LISTED:
    for (entry3 *e = dir->READDIR3res_u.resok.reply.entries; e; e = e->nextentry)
      list(e->fileid, e->name, e->cookie);
    at_end = dir->READDIR3res_u.resok.reply.eof;
    break;
  case LISTED_PLUS:
    for (entryplus3 *e = plus->READDIRPLUS3res_u.resok.reply.entries; e; e = e->nextentry) {
      list(e->fileid, e->name, e->cookie);
      with_attributes += e->name_attributes.attributes_follow;
      with_handles += e->name_handle.handle_follows;
    }
    at_end = plus->READDIRPLUS3res_u.resok.reply.eof;
    break;
  case MOUNTED:
    got.len = mount->mountres3_u.mountinfo.fhandle.fhandle3_len;
    memcpy(got.bytes, mount->mountres3_u.mountinfo.fhandle.fhandle3_val, got.len);
    break;
  case EXPORTED:
    for (struct exportnode *e = *(struct exportnode **)data; e; e = e->ex_next) list(0, e->ex_dir, 0);
    break;
  case NOTHING: break;
  }
}

static void answered(struct rpc_context *r, int status, void *data, void *private) {
  (void)r, (void)private;
  rpc_status = status;
  if (status == RPC_STATUS_SUCCESS && data && answer_size) {
    memcpy(answer, data, answer_size);
    keep(data);
  } else if (data && status == RPC_STATUS_ERROR) {
    snprintf(bytes, sizeof bytes, "%s", (char *)data);
  }
  done = 1;
}

static void await(int sent) {
  struct timeval begun, now;
  gettimeofday(&begun, NULL);
  if (sent != 0) {
    rpc_status = RPC_STATUS_ERROR;
    snprintf(bytes, sizeof bytes, "not sent: %s", rpc_get_error(rpc));
    return;
  }
  while (!done) {
    struct pollfd p = {rpc_get_fd(rpc), rpc_which_events(rpc), 0};
    poll(&p, 1, 100);
    if (rpc_service(rpc, p.revents) < 0 && !done) {
      rpc_status = RPC_STATUS_ERROR;
      return;
    }
    gettimeofday(&now, NULL);
    if (now.tv_sec - begun.tv_sec > 30) {
      fprintf(stderr, "no answer in 30 s\n");
      printf("bad answer-in-time\n");
      exit(1);
    }
  }
}

static void connect_to(int program) {
  if (rpc) rpc_destroy_context(rpc);
  rpc = rpc_init_context();
  done = 0, answer_size = 0;
  await(rpc_connect_port_async(rpc, server, port, program, 3, answered, NULL));
  if (rpc_status != RPC_STATUS_SUCCESS) {
    fprintf(stderr, "cannot connect to %s:%d\n", server, port);
    exit(1);
  }
}

#define CALL(res, what, send) (done = 0, answer_size = sizeof(res), kind = what, \
  memset(answer, 0xff, sizeof(res)), await(send), (res *)answer)
/* The status that every NFS answer begins with, or -1 when there was none. */
#define STATUS(res, what, send) \
  (CALL(res, what, send), rpc_status == RPC_STATUS_SUCCESS ? (int)*(nfsstat3 *)answer : -1)

static void check(int holds, const char *text, int line) {
  if (holds || wrong++ >= 20) return;
  fprintf(stderr, "  line %d: %s\n", line, text);
}
#define CHECK(condition) check(condition, #condition, __LINE__)
static void check_is(long is, long must, const char *text, int line) {
  if (is == must || wrong++ >= 20) return;
  fprintf(stderr, "  line %d: %s is %ld, not %ld%s%s\n", line, text, is, must,
          is == -1 ? ": " : "", is == -1 ? bytes : "");
}
#define IS(value, must) check_is(value, must, #value, __LINE__)

static void test(const char *name, void (*body)(void)) {
  wrong = 0;
  body();
  printf("%s %s\n", wrong ? "bad" : "ok", name);
  if (wrong) fprintf(stderr, "%s: %d wrong\n", name, wrong);
  fflush(stdout);
}

static nfs_fh3 fh(struct handle *h) {
  nfs_fh3 f = {{h->len, h->bytes}};
  return f;
}
static diropargs3 in(struct handle *dir, const char *name) {
  diropargs3 d = {fh(dir), (char *)name};
  return d;
}
static sattr3 with_mode(unsigned mode) {
  sattr3 s;
  memset(&s, 0, sizeof s);
  s.mode.set_it = 1;
  s.mode.set_mode3_u.mode = mode;
  return s;
}

static struct handle root, work, nobody = {12, "not a handle"};
static const char *export;

/* Each procedure, short: the status; the answer is in `answer`. */
static int getattr(struct handle *h) {
  GETATTR3args a = {fh(h)};
  return STATUS(GETATTR3res, NOTHING, rpc_nfs3_getattr_async(rpc, answered, &a, NULL));
}
#define ATTRIBUTES (((GETATTR3res *)answer)->GETATTR3res_u.resok.obj_attributes)
static int lookup(struct handle *dir, const char *name) {
  LOOKUP3args a = {in(dir, name)};
  return STATUS(LOOKUP3res, LOOKED_UP, rpc_nfs3_lookup_async(rpc, answered, &a, NULL));
}
static int create(struct handle *dir, const char *name, createmode3 mode, const char *verifier) {
  CREATE3args a = {in(dir, name), {mode, {with_mode(0640)}}};
  if (mode == EXCLUSIVE) memcpy(a.how.createhow3_u.verf, verifier, NFS3_CREATEVERFSIZE);
  return STATUS(CREATE3res, MADE, rpc_nfs3_create_async(rpc, answered, &a, NULL));
}
static int mkdir3(struct handle *dir, const char *name) {
  MKDIR3args a = {in(dir, name), with_mode(0750)};
  return STATUS(MKDIR3res, MADE, rpc_nfs3_mkdir_async(rpc, answered, &a, NULL));
}
static int write3(struct handle *h, uint64_t at, const char *data, unsigned len, stable_how how) {
  WRITE3args a = {fh(h), at, len, how, {len, (char *)data}};
  return STATUS(WRITE3res, NOTHING, rpc_nfs3_write_async(rpc, answered, &a, NULL));
}
static int read3(struct handle *h, uint64_t at, unsigned count) {
  READ3args a = {fh(h), at, count};
  return STATUS(READ3res, READ_DATA, rpc_nfs3_read_async(rpc, answered, &a, NULL));
}
#define EOF_TOLD (((READ3res *)answer)->READ3res_u.resok.eof)
static int remove3(struct handle *dir, const char *name) {
  REMOVE3args a = {in(dir, name)};
  return STATUS(REMOVE3res, NOTHING, rpc_nfs3_remove_async(rpc, answered, &a, NULL));
}
static int rmdir3(struct handle *dir, const char *name) {
  RMDIR3args a = {in(dir, name)};
  return STATUS(RMDIR3res, NOTHING, rpc_nfs3_rmdir_async(rpc, answered, &a, NULL));
}
static int rename3(struct handle *from, const char *name, struct handle *to, const char *as) {
  RENAME3args a = {in(from, name), in(to, as)};
  return STATUS(RENAME3res, NOTHING, rpc_nfs3_rename_async(rpc, answered, &a, NULL));
}
static int link3(struct handle *file, struct handle *dir, const char *name) {
  LINK3args a = {fh(file), in(dir, name)};
  return STATUS(LINK3res, NOTHING, rpc_nfs3_link_async(rpc, answered, &a, NULL));
}
static int symlink3(struct handle *dir, const char *name, const char *to) {
  SYMLINK3args a = {in(dir, name), {with_mode(0777), (char *)to}};
  return STATUS(SYMLINK3res, MADE, rpc_nfs3_symlink_async(rpc, answered, &a, NULL));
}
static int readlink3(struct handle *h) {
  READLINK3args a = {fh(h)};
  return STATUS(READLINK3res, READ_LINK, rpc_nfs3_readlink_async(rpc, answered, &a, NULL));
}
static int setattr(struct handle *h, sattr3 to, nfstime3 *guard) {
  SETATTR3args a = {fh(h), to, {guard != NULL, {guard ? *guard : (nfstime3){0, 0}}}};
  return STATUS(SETATTR3res, NOTHING, rpc_nfs3_setattr_async(rpc, answered, &a, NULL));
}
static int readdir3(struct handle *h, uint64_t cookie, const char *verifier, unsigned count) {
  READDIR3args a = {fh(h), cookie, {0}, count};
  memcpy(a.cookieverf, verifier, NFS3_COOKIEVERFSIZE);
  return STATUS(READDIR3res, LISTED, rpc_nfs3_readdir_async(rpc, answered, &a, NULL));
}
static int readdirplus(struct handle *h, uint64_t cookie, const char *verifier, unsigned dircount,
                       unsigned maxcount) {
  READDIRPLUS3args a = {fh(h), cookie, {0}, dircount, maxcount};
  memcpy(a.cookieverf, verifier, NFS3_COOKIEVERFSIZE);
  return STATUS(READDIRPLUS3res, LISTED_PLUS, rpc_nfs3_readdirplus_async(rpc, answered, &a, NULL));
}
