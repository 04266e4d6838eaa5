// Programs in processes of their own, which never outlive the test.
export {
  launch,
  runProcess,
  startProcess,
  type Finished,
  type ProcessOptions,
  type RunningProcess,
} from '../../dev/harness/children.ts';
