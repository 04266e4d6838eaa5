/** The headers of WAL's pages (src/include/access/xlog_internal.h: XLogPageHeaderData, the same from 12 to 18). */

/** Bytes. */
export const shortPageHeader = 24;
/** Bytes, of the first page of a segment. */
export const longPageHeader = 40;

/** Flags in xlp_info: the page begins with the rest of a record; it has a long header. */
export const isContinued = 0x0001;
export const isLong = 0x0002;
/** What was continued here was never finished: a crash came between. */
export const isOverwritten = 0x0008;
