/* Doubly linked circular lists, embedded in what they link. An empty head points to itself. */
#pragma once
#include "types.h"

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(name) { &(name), &(name) }

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }

static inline void list_insert_(struct list *node, struct list *prev, struct list *next) {
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}
static inline void list_add(struct list *head, struct list *node) { list_insert_(node, head, head->next); }
static inline void list_add_tail(struct list *head, struct list *node) { list_insert_(node, head->prev, head); }
/* Leaves the node empty, so a second list_del of it does nothing. */
static inline void list_del(struct list *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_for_each(item, head, member) \
    for (item = list_entry((head)->next, __typeof__(*item), member); &item->member != (head); \
         item = list_entry(item->member.next, __typeof__(*item), member))
/* As list_for_each, but the body may unlink and free `item`. */
#define list_for_each_safe(item, following, head, member) \
    for (item = list_entry((head)->next, __typeof__(*item), member), \
         following = list_entry(item->member.next, __typeof__(*item), member); \
         &item->member != (head); \
         item = following, following = list_entry(following->member.next, __typeof__(*item), member))
