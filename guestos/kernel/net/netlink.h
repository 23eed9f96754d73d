/* Netlink messages (netlink(7)): headers and attributes, read from a request and written into a reply. */
#pragma once
#include "text.h"

enum { NLM_F_REQUEST = 1, NLM_F_MULTI = 2, NLM_F_ACK = 4, NLM_F_REPLACE = 0x100, NLM_F_EXCL = 0x200, NLM_F_DUMP = 0x300, NLM_F_CREATE = 0x400 };

struct nlmsghdr { u32 length; u16 type, flags; u32 sequence, port; };
struct attribute { u16 length, type; };             /* its value follows; the next one is aligned to 4 */

struct request {
    struct socket *from;
    const struct nlmsghdr *header;
    const void *body;                               /* at least as much as rtnetlink.c's structure for the type */
    const struct attribute *attributes[64];         /* those after it by type, or NULL */
};

/* Points table[type] at each attribute in n bytes; false: they aren't well formed, or there is one of 64 or more. */
bool attributes_parse(const struct attribute **table, const void *from, size_t n);
u32 attribute_u32(const struct attribute *, u32 otherwise);             /* otherwise: if it is NULL */
const char *attribute_text(const struct attribute *, char to[16]);      /* NULL: absent; "": too long */
static inline const void *attribute_value(const struct attribute *a) { return a + 1; }
static inline size_t attribute_size(const struct attribute *a) { return a->length - sizeof(*a); }

/* A reply is written into a text: a message begins, gets attributes (NULL: a nest, which attribute_end closes), and is sent. */
void attribute_add(struct text *, int type, const void *value, size_t n);
void attribute_add_u32(struct text *, int type, u32 value);
size_t attribute_begin(struct text *, int type);
void attribute_end(struct text *, size_t begin);
int reply(const struct request *, int type, int flags, struct text *body);     /* frees the body; 0 or an error */

/* rtnetlink.c: what NETLINK_ROUTE is asked. 0 or an error, which the acknowledgement will say. */
int rtnetlink(struct request *, size_t length);
