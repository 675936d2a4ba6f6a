/* Attributes, creation and contents of files. */
#pragma once
#include "calls.h"

static struct handle made(const char *name) {
  IS(create(&work, name, GUARDED, NULL), NFS3_OK);
  IS(got.len > 0, 1);
  return got;
}

static uint64_t size_of(struct handle *h) { return getattr(h) == NFS3_OK ? ATTRIBUTES.size : ~0ULL; }

static void attributes(void) {
  IS(getattr(&root), NFS3_OK);
  IS(ATTRIBUTES.type, NF3DIR);
  IS(mkdir3(&root, "procedures"), NFS3_OK);
  work = got;
  CHECK(work.len > 0);
  IS(getattr(&work), NFS3_OK);
  IS(ATTRIBUTES.mode & 07777, 0750);
  int bad = getattr(&nobody);
  CHECK(bad == NFS3ERR_BADHANDLE || bad == NFS3ERR_STALE);
  struct handle file = made("attributes"), empty = {0, ""};
  bad = getattr(&empty);
  CHECK(bad == NFS3ERR_BADHANDLE || bad == NFS3ERR_STALE);
  IS(getattr(&file), NFS3_OK);
  IS(ATTRIBUTES.type, NF3REG);
  IS(ATTRIBUTES.mode & 07777, 0640);
  IS(ATTRIBUTES.nlink, 1);
  nfstime3 ctime = ATTRIBUTES.ctime, old = {ctime.seconds - 10, 0};

  sattr3 set;
  memset(&set, 0, sizeof set);
  set.size = (set_size3){1, {70000}};
  IS(setattr(&file, set, &old), NFS3ERR_NOT_SYNC);
  IS(size_of(&file), 0);
  IS(setattr(&file, set, &ctime), NFS3_OK);
  IS(size_of(&file), 70000);
  CHECK(ATTRIBUTES.used <= 70000 + 4096);
  memset(&set, 0, sizeof set);
  set.mode = (set_mode3){1, {0604}};
  set.atime = (set_atime){SET_TO_CLIENT_TIME, {{111, 222}}};
  set.mtime = (set_mtime){SET_TO_CLIENT_TIME, {{4000000000u, 999999999}}};
  IS(setattr(&file, set, NULL), NFS3_OK);
  IS(getattr(&file), NFS3_OK);
  IS(ATTRIBUTES.mode & 07777, 0604);
  IS(ATTRIBUTES.atime.seconds, 111);
  IS(ATTRIBUTES.atime.nseconds, 222);
  IS(ATTRIBUTES.mtime.seconds, 4000000000u);
  IS(ATTRIBUTES.mtime.nseconds, 999999999);
  memset(&set, 0, sizeof set);
  set.mtime.set_it = SET_TO_SERVER_TIME;
  IS(setattr(&file, set, NULL), NFS3_OK);
  IS(getattr(&file), NFS3_OK);
  CHECK(ATTRIBUTES.mtime.seconds - ctime.seconds < 600);
  IS(ATTRIBUTES.atime.seconds, 111);
  memset(&set, 0, sizeof set);
  set.size = (set_size3){1, {5}};
  int on_directory = setattr(&work, set, NULL);
  CHECK(on_directory == NFS3ERR_ISDIR || on_directory == NFS3ERR_INVAL);
}

static void names_are_looked_up(void) {
  struct handle file = made("looked-up");
  IS(lookup(&work, "looked-up"), NFS3_OK);
  struct handle again = got;
  LOOKUP3resok *ok = &((LOOKUP3res *)answer)->LOOKUP3res_u.resok;
  CHECK(ok->obj_attributes.attributes_follow && ok->dir_attributes.attributes_follow);
  uint64_t id = ok->obj_attributes.post_op_attr_u.attributes.fileid;
  IS(getattr(&file), NFS3_OK);
  CHECK(ATTRIBUTES.fileid == id);
  CHECK(again.len == file.len && memcmp(again.bytes, file.bytes, file.len) == 0);
  IS(lookup(&work, "missing"), NFS3ERR_NOENT);
  IS(lookup(&file, "below"), NFS3ERR_NOTDIR);
  IS(lookup(&work, "."), NFS3_OK);
  CHECK(got.len == work.len && memcmp(got.bytes, work.bytes, work.len) == 0);
  IS(lookup(&work, ".."), NFS3_OK);
  CHECK(got.len == root.len && memcmp(got.bytes, root.bytes, root.len) == 0);
  char name[300];
  memset(name, 'n', sizeof name);
  name[256] = 0;
  int status = lookup(&work, name);
  CHECK(status == NFS3ERR_NAMETOOLONG || status == NFS3ERR_NOENT);
  IS(create(&work, name, GUARDED, NULL), NFS3ERR_NAMETOOLONG);
  name[255] = 0;
  IS(create(&work, name, GUARDED, NULL), NFS3_OK);
  IS(lookup(&work, name), NFS3_OK);
  status = lookup(&work, "");
  CHECK(status != NFS3_OK && status != -1);
  status = create(&work, "a/b", GUARDED, NULL);
  CHECK(status == NFS3ERR_INVAL || status == NFS3ERR_ACCES || status == NFS3ERR_NOENT);
  IS(create(&work, "..", GUARDED, NULL), NFS3ERR_EXIST);
  ACCESS3args a = {fh(&work), 0x3f};
  IS(STATUS(ACCESS3res, NOTHING, rpc_nfs3_access_async(rpc, answered, &a, NULL)), NFS3_OK);
  CHECK((((ACCESS3res *)answer)->ACCESS3res_u.resok.access & 0x1f) == 0x1f);
  a.object = fh(&nobody);
  CHECK(STATUS(ACCESS3res, NOTHING, rpc_nfs3_access_async(rpc, answered, &a, NULL)) > 0);
}

static void files_are_created(void) {
  struct handle first = made("created");
  IS(write3(&first, 0, "kept", 4, FILE_SYNC), NFS3_OK);
  IS(create(&work, "created", GUARDED, NULL), NFS3ERR_EXIST);
  IS(create(&work, "created", UNCHECKED, NULL), NFS3_OK);
  CHECK(got.len == first.len && memcmp(got.bytes, first.bytes, first.len) == 0);
  IS(size_of(&first), 4);
  /* The same verifier is the same call, whose answer was lost; another is another's. */
  IS(create(&work, "exclusive", EXCLUSIVE, "verify-1"), NFS3_OK);
  struct handle exclusive = got;
  IS(create(&work, "exclusive", EXCLUSIVE, "verify-1"), NFS3_OK);
  CHECK(got.len == exclusive.len && memcmp(got.bytes, exclusive.bytes, got.len) == 0);
  IS(create(&work, "exclusive", EXCLUSIVE, "verify-2"), NFS3ERR_EXIST);
  IS(create(&work, "created", EXCLUSIVE, "verify-1"), NFS3ERR_EXIST);
  sattr3 set = with_mode(0600);
  set.atime.set_it = SET_TO_SERVER_TIME, set.mtime.set_it = SET_TO_SERVER_TIME;
  IS(setattr(&exclusive, set, NULL), NFS3_OK);
  IS(create(&work, "exclusive", EXCLUSIVE, "verify-1"), NFS3ERR_EXIST);
  CHECK(create(&first, "below", GUARDED, NULL) == NFS3ERR_NOTDIR);
  CHECK(create(&work, "", GUARDED, NULL) > 0);
  MKNOD3args node = {in(&work, "fifo"), {NF3FIFO, {{with_mode(0600)}}}};
  int status = STATUS(MKNOD3res, MADE, rpc_nfs3_mknod_async(rpc, answered, &node, NULL));
  CHECK(status == NFS3_OK || status == NFS3ERR_NOTSUPP || status == NFS3ERR_PERM);
  IS(lookup(&work, "fifo"), status == NFS3_OK ? NFS3_OK : NFS3ERR_NOENT);
  node.where = in(&work, "device");
  node.what.type = NF3CHR;
  node.what.mknoddata3_u.chr_device.spec = (specdata3){1, 3};
  status = STATUS(MKNOD3res, MADE, rpc_nfs3_mknod_async(rpc, answered, &node, NULL));
  CHECK(status == NFS3_OK || status == NFS3ERR_NOTSUPP || status == NFS3ERR_PERM);
  /* A regular file is none of its kinds. */
  node.what.type = NF3REG;
  status = STATUS(MKNOD3res, MADE, rpc_nfs3_mknod_async(rpc, answered, &node, NULL));
  CHECK(status == NFS3ERR_BADTYPE || status == -1);
}

static void data_is_written_and_read(void) {
  struct handle file = made("data");
  static char block[600000];
  for (unsigned i = 0; i < sizeof block; i++) block[i] = (char)(i * 7 + i / 251);
  FSINFO3args info = {fh(&root)};
  IS(STATUS(FSINFO3res, NOTHING, rpc_nfs3_fsinfo_async(rpc, answered, &info, NULL)), NFS3_OK);
  FSINFO3resok told = ((FSINFO3res *)answer)->FSINFO3res_u.resok;
  unsigned most = told.wtmax < 65536 ? told.wtmax : 65536;
  char verifier[8];
  for (unsigned at = 0; at < sizeof block;) {
    unsigned len = sizeof block - at < most ? sizeof block - at : most;
    int status = write3(&file, at, block + at, len, UNSTABLE);
    IS(status, NFS3_OK);
    WRITE3resok *ok = &((WRITE3res *)answer)->WRITE3res_u.resok;
    CHECK(ok->count > 0 && ok->count <= len);
    if (status != NFS3_OK || !ok->count) return;
    CHECK(ok->file_wcc.after.attributes_follow);
    if (at) CHECK(memcmp(verifier, ok->verf, 8) == 0);
    memcpy(verifier, ok->verf, 8);
    at += ok->count;
  }
  COMMIT3args commit = {fh(&file), 0, 0};
  IS(STATUS(COMMIT3res, NOTHING, rpc_nfs3_commit_async(rpc, answered, &commit, NULL)), NFS3_OK);
  CHECK(memcmp(((COMMIT3res *)answer)->COMMIT3res_u.resok.verf, verifier, 8) == 0);
  commit.offset = 1000, commit.count = 5000;
  IS(STATUS(COMMIT3res, NOTHING, rpc_nfs3_commit_async(rpc, answered, &commit, NULL)), NFS3_OK);
  IS(size_of(&file), sizeof block);
  unsigned at = 0;
  while (at < sizeof block) {
    IS(read3(&file, at, 100000), NFS3_OK);
    if (!bytes_len) break;
    CHECK(memcmp(bytes, block + at, bytes_len) == 0);
    at += bytes_len;
    IS(EOF_TOLD, at == sizeof block);
  }
  IS(at, sizeof block);
  IS(read3(&file, sizeof block, 10), NFS3_OK);
  CHECK(bytes_len == 0 && EOF_TOLD);
  IS(read3(&file, 1ULL << 40, 10), NFS3_OK);
  CHECK(bytes_len == 0 && EOF_TOLD);
  IS(read3(&file, 5, 0), NFS3_OK);
  CHECK(bytes_len == 0);
  IS(write3(&file, 3, "", 0, FILE_SYNC), NFS3_OK);
  IS(size_of(&file), sizeof block);
  IS(write3(&file, 1ULL << 33, "far", 3, DATA_SYNC), NFS3_OK);
  CHECK(((WRITE3res *)answer)->WRITE3res_u.resok.committed >= DATA_SYNC);
  IS(size_of(&file), (1ULL << 33) + 3);
  IS(read3(&file, (1ULL << 33) - 4, 100), NFS3_OK);
  CHECK(bytes_len == 7 && memcmp(bytes, "\0\0\0\0far", 7) == 0);
  int status = write3(&file, ~0ULL - 1, "beyond", 6, FILE_SYNC);
  CHECK(status == NFS3ERR_FBIG || status == NFS3ERR_INVAL);
  status = read3(&file, ~0ULL - 1, 6);
  CHECK(status == NFS3ERR_INVAL || (status == NFS3_OK && bytes_len == 0));
  status = read3(&work, 0, 10);
  CHECK(status == NFS3ERR_ISDIR || status == NFS3ERR_INVAL);
  status = write3(&work, 0, "x", 1, FILE_SYNC);
  CHECK(status == NFS3ERR_ISDIR || status == NFS3ERR_INVAL);
  CHECK(read3(&nobody, 0, 10) > 0 && write3(&nobody, 0, "x", 1, UNSTABLE) > 0);
}
