/** The page headers of the WAL (src/include/access/xlog_internal.h: XLogPageHeaderData, the same from 12 to 18). */

/** Bytes. */
export const shortPageHeader = 24;
/** Bytes. The first page of a segment has a long header. */
export const longPageHeader = 40;

/** Flags in xlp_info: the page begins with the rest of a record; the page has a long header. */
export const isContinued = 0x0001;
export const isLong = 0x0002;
/** Flag in xlp_info: the record continued here was abandoned after a crash. */
export const isOverwritten = 0x0008;
