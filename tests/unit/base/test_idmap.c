/* SPDX-License-Identifier: Apache-2.0 */
/* ID maps as text and as lookups; a tree given to mapped owners. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/idmap.h"
#include "base/path.h"
#include "base/str.h"

static void text_and_back(void **state)
{
	static const char *const texts[] = {"0:100000:65536", "0:1000:1,1:100000:65535", "5:0:4294967295"};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_id_map_ struct cor_id_map m = {0};
		assert_int_equal(cor_id_map_parse(texts[i], &m), i == 2 ? -EINVAL : 0);
		if (i == 2)
			continue;
		_cleanup_free_ char *text = cor_id_map_text(&m);
		assert_string_equal(text, texts[i]);
	}
}

static void wrong_texts(void **state)
{
	static const char *const texts[] = {"",
					    "0",
					    "0:1",
					    "0:1:0",
					    "0:1:1,",
					    ",0:1:1",
					    "0:1:1:1",
					    "a:1:1",
					    "0:-1:1",
					    "0:1:4294967296",
					    "0:1 :1",
					    "0:0:2,1:9:1",
					    "0:4294967295:1",
					    "0:1:1;1:2:1",
					    "0:1:1,0:1:1"};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct cor_id_map m = {0};
		if (cor_id_map_parse(texts[i], &m) != -EINVAL)
			fail_msg("\"%s\" is taken", texts[i]);
		assert_null(m.items);
	}
}

static void at_most_as_many_as_the_kernel_takes(void **state)
{
	_cleanup_buf_ struct cor_buf b = {0};
	for (unsigned i = 0; i < COR_ID_MAP_MAX; i++)
		assert_int_equal(cor_buf_printf(&b, "%s%u:%u:1", i ? "," : "", i, 1000 + i), 0);
	struct cor_id_map m = {0};
	assert_int_equal(cor_id_map_parse(b.data, &m), 0);
	cor_id_map_done(&m);
	assert_int_equal(cor_buf_str(&b, ",9999:9999:1"), 0);
	assert_int_equal(cor_id_map_parse(b.data, &m), -EINVAL);
}

static void lookups(void **state)
{
	_cleanup_id_map_ struct cor_id_map m = {0};
	uint32_t host = 7;
	assert_int_equal(cor_id_map_parse("10:500:1,0:100:10,4294967290:1000:5", &m), 0);
	static const int64_t cases[][2] = {{0, 100},         {9, 109},           {10, 500},       {11, -1},
					   {4294967289, -1}, {4294967294, 1004}, {4294967295, -1}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = cor_id_map_to_host(&m, (uint32_t)cases[i][0], &host);
		assert_int_equal(r, cases[i][1] < 0 ? -ENOENT : 0);
		if (r == 0)
			assert_int_equal(host, cases[i][1]);
	}
	cor_id_map_sort(&m);
	assert_int_equal(m.items[0].container, 0);
	assert_int_equal(m.items[2].container, 4294967290);
}

/* ---- trees ---- */

static char dir[32];
static int root = -1;
static struct cor_id_map uids, gids;

static int setup(void **state)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/cor-idmap-XXXXXX");
	if (!mkdtemp(dir) || (root = cor_open_dir(dir, NULL)) < 0)
		return -1;
	return cor_id_map_parse("0:100000:1001", &uids) < 0 || cor_id_map_parse("0:200000:1001", &gids) < 0;
}

static int teardown(void **state)
{
	cor_close(root);
	cor_id_map_done(&uids);
	cor_id_map_done(&gids);
	return cor_remove_tree_at(AT_FDCWD, dir, NULL);
}

static void make_file(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	_cleanup_close_ int fd = openat(root, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, uid, gid), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static void assert_file(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat st;
	assert_int_equal(fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	if (st.st_uid != uid || st.st_gid != gid || st.st_mode != mode)
		fail_msg("%s: %u:%u %o", name, st.st_uid, st.st_gid, st.st_mode);
}

static char *path_of(const char *name)
{
	return cor_asprintf("%s/%s", dir, name);
}

static int remap(struct cor_error *err)
{
	*err = (struct cor_error){0};
	return cor_remap_tree(root, &uids, &gids, err);
}

static void owners_modes_and_links(void **state)
{
	struct cor_error err;
	struct stat st, other;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdirat(root, "d", 0755), 0);
	assert_int_equal(fchmodat(root, "d", 03775, 0), 0);
	make_file("plain", 0, 0, 0640);
	make_file("d/setuid", 0, 1000, 04755);
	make_file("d/setgid", 1000, 0, 02711);
	assert_int_equal(linkat(root, "d/setuid", root, "link", 0), 0);
	assert_int_equal(linkat(root, "d/setuid", root, "d/link", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", root, "out"), 0);
	assert_int_equal(mknodat(root, "fifo", S_IFIFO | 0600, 0), 0);
	const struct timespec then[2] = {{1000000000, 5}, {1000000000, 7}};
	assert_int_equal(utimensat(root, "d", then, 0), 0);
	assert_int_equal(utimensat(root, "plain", then, 0), 0);
	struct stat passwd;
	assert_int_equal(stat("/etc/passwd", &passwd), 0);

	if (remap(&err) < 0)
		fail_msg("%s", err.message);
	assert_file(".", 100000, 200000, S_IFDIR | 0700);
	assert_file("d", 100000, 200000, S_IFDIR | 03775);
	assert_file("plain", 100000, 200000, S_IFREG | 0640);
	assert_file("d/setuid", 100000, 201000, S_IFREG | 04755);
	assert_file("link", 100000, 201000, S_IFREG | 04755);
	assert_file("d/setgid", 101000, 200000, S_IFREG | 02711);
	assert_file("out", 100000, 200000, S_IFLNK | 0777);
	assert_file("fifo", 100000, 200000, S_IFIFO | 0600);
	assert_int_equal(fstatat(root, "link", &st, 0), 0);
	assert_int_equal(st.st_nlink, 3);
	assert_int_equal(fstatat(root, "d/link", &other, 0), 0);
	assert_int_equal(st.st_ino, other.st_ino);
	assert_int_equal(fstatat(root, "d", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	assert_int_equal(fstatat(root, "plain", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	/* What a link leads to is not touched. */
	assert_int_equal(stat("/etc/passwd", &other), 0);
	assert_int_equal(other.st_uid, passwd.st_uid);
	assert_int_equal(other.st_ctim.tv_nsec, passwd.st_ctim.tv_nsec);
}

static void capabilities_count_in_the_container(void **state)
{
	struct cor_error err;
	struct vfs_cap_data v2 = {
		.magic_etc = htole32(VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE),
		.data = {{.permitted = htole32(1u << 12)}},
	};
	struct vfs_ns_cap_data v3;
	if (geteuid() != 0)
		skip();
	make_file("tool", 0, 0, 0755);
	_cleanup_free_ char *path = path_of("tool");
	if (setxattr(path, "security.capability", &v2, sizeof(v2), 0) < 0)
		skip(); /* no file capabilities on this file system */
	if (remap(&err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(getxattr(path, "security.capability", &v3, sizeof(v3)), sizeof(v3));
	assert_int_equal(le32toh(v3.magic_etc), VFS_CAP_REVISION_3 | VFS_CAP_FLAGS_EFFECTIVE);
	assert_int_equal(le32toh(v3.rootid), 100000);
	assert_int_equal(le32toh(v3.data[0].permitted), 1u << 12);
}

static void acls_are_mapped(void **state)
{
	struct {
		struct posix_acl_xattr_header head;
		struct posix_acl_xattr_entry e[6];
	} acl = {
		.head = {htole32(POSIX_ACL_XATTR_VERSION)},
		.e = {{htole16(ACL_USER_OBJ), htole16(6), htole32(ACL_UNDEFINED_ID)},
		      {htole16(ACL_USER), htole16(4), htole32(7)},
		      {htole16(ACL_GROUP_OBJ), htole16(4), htole32(ACL_UNDEFINED_ID)},
		      {htole16(ACL_GROUP), htole16(4), htole32(8)},
		      {htole16(ACL_MASK), htole16(4), htole32(ACL_UNDEFINED_ID)},
		      {htole16(ACL_OTHER), 0, htole32(ACL_UNDEFINED_ID)}},
	};
	struct cor_error err;
	if (geteuid() != 0)
		skip();
	make_file("acl", 0, 0, 0640);
	_cleanup_free_ char *path = path_of("acl");
	if (setxattr(path, "system.posix_acl_access", &acl, sizeof(acl), 0) < 0)
		skip(); /* no ACLs on this file system */
	if (remap(&err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(getxattr(path, "system.posix_acl_access", &acl, sizeof(acl)), sizeof(acl));
	assert_int_equal(le32toh(acl.e[1].e_id), 100007);
	assert_int_equal(le32toh(acl.e[3].e_id), 200008);
}

static void an_id_without_a_place_is_named(void **state)
{
	struct cor_error err;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdirat(root, "d", 0755), 0);
	make_file("d/file", 0, 1001, 0600);
	assert_int_equal(remap(&err), -EINVAL);
	assert_string_equal(err.message, "container ID 1001 cannot be mapped to a host ID: group of /d/file");
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
}

static void many_names_of_many_files(void **state)
{
	struct cor_error err;
	char name[32], other[32];
	struct stat st;
	if (geteuid() != 0)
		skip();
	for (unsigned i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "f%u", i);
		(void)snprintf(other, sizeof(other), "g%u", i);
		make_file(name, i, 0, 0600);
		assert_int_equal(linkat(root, name, root, other, 0), 0);
	}
	if (remap(&err) < 0)
		fail_msg("%s", err.message);
	for (unsigned i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "g%u", i);
		assert_file(name, 100000 + i, 200000, S_IFREG | 0600);
		assert_int_equal(fstatat(root, name, &st, 0), 0);
		assert_int_equal(st.st_nlink, 2);
	}
}

static void a_user_namespace_has_the_maps(void **state)
{
	struct cor_error err = {0};
	_cleanup_id_map_ struct cor_id_map m = {0};
	if (geteuid() != 0)
		skip();
	int fd = cor_userns_open(&uids, &gids, &err);
	if (fd < 0)
		fail_msg("%s", err.message);
	cor_close(fd);
	/* What the kernel refuses is an error. */
	assert_int_equal(cor_id_map_add(&m, (struct cor_id_range){0, 0, 0}), 0);
	assert_true(cor_userns_open(&m, &gids, &err) < 0);
	assert_true(strstr(err.message, "user namespace") != NULL);
}

int main(void)
{
#define TREE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back),
		cmocka_unit_test(wrong_texts),
		cmocka_unit_test(at_most_as_many_as_the_kernel_takes),
		cmocka_unit_test(lookups),
		TREE(owners_modes_and_links),
		TREE(capabilities_count_in_the_container),
		TREE(acls_are_mapped),
		TREE(an_id_without_a_place_is_named),
		TREE(many_names_of_many_files),
		TREE(a_user_namespace_has_the_maps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
