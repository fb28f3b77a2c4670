/** Writes histograms in the log format of HdrHistogram (.hlog), which its plotters and other tools read. */
import { build, HistogramLogWriter } from 'hdr-histogram-js';
import type { EncodedHistogram } from '../result/result.ts';
import { bucketBoundsUs } from './histogram.ts';

export interface HlogInterval {
  /** What it is of, such as "response"; commas, spaces and line ends become "-". */
  tag: string;
  /** Seconds since `startedAt` of the log. */
  startS: number;
  lengthS: number;
  histogram: EncodedHistogram;
}

const nanosecondsPerMillisecond = 1e6;

/**
 * Values are nanoseconds, the maximum of each line is in milliseconds: what HdrHistogram's own tools expect. Each value
 * is the middle of our bucket, so it is within half of it, 0.2 %.
 */
export function encodeHlog(startedAt: Date, intervals: readonly HlogInterval[]): string {
  let text = '';
  const writer = new HistogramLogWriter((part) => {
    text += part;
  });
  writer.outputLogFormatVersion();
  writer.outputComment('[Values are nanoseconds; Interval_Max is in milliseconds]');
  writer.outputStartTime(startedAt.getTime());
  writer.baseTime = startedAt.getTime();
  writer.outputLegend();
  for (const { tag, startS, lengthS, histogram } of intervals) {
    const theirs = build({
      lowestDiscernibleValue: 1,
      highestTrackableValue: 2 ** 47,
      numberOfSignificantValueDigits: 3,
      bitBucketSize: 'packed',
      useWebAssembly: false,
    });
    for (const [index, count] of histogram.buckets) {
      const { fromUs, toUs } = bucketBoundsUs(index, histogram.precisionBits);
      const middleUs = Math.min(histogram.maxUs, Math.max(histogram.minUs, (fromUs + toUs) / 2));
      theirs.recordValueWithCount(Math.min(2 ** 46, Math.round(middleUs * 1000)), count);
    }
    theirs.tag = tag.replace(/[\s,]+/g, '-');
    writer.outputIntervalHistogram(theirs, startS, startS + lengthS, nanosecondsPerMillisecond);
  }
  return text;
}
