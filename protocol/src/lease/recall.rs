//! What was remembered of things that are told again and again, in nearly the same order: a few
//! ended, a few came. A map asks for a dozen comparisons of names where one does.

use std::collections::HashMap;

use crate::id::JobId;

/// Things that may be out of their order before names are hashed.
const NEAR: usize = 16;

/// What was remembered of jobs, each to be taken out once.
#[derive(Debug)]
pub(super) struct Recall<'a, T> {
    jobs: &'a [JobId],
    values: Vec<Option<T>>,
    /// All before it were taken or passed.
    next: usize,
    passed: Vec<usize>,
    /// Where each stands, once the order was found to be another.
    index: Option<HashMap<&'a JobId, usize>>,
}

impl<'a, T> Recall<'a, T> {
    /// `values` in the order of `jobs`; no job twice.
    pub(super) fn of(jobs: &'a [JobId], values: Vec<T>) -> Self {
        let values = values.into_iter().map(Some).collect();
        Self { jobs, values, next: 0, passed: Vec::new(), index: None }
    }

    /// What is remembered of a job, unless it was taken.
    pub(super) fn take(&mut self, job: &JobId) -> Option<T> {
        let at = self.position(job)?;
        if at >= self.next {
            if self.index.is_none() {
                self.passed.extend(self.next..at);
            }
            self.next = at + 1;
        }
        self.values[at].take()
    }

    fn position(&mut self, job: &JobId) -> Option<usize> {
        let jobs = self.jobs;
        if jobs.get(self.next) == Some(job) {
            return Some(self.next);
        }
        if let Some(index) = &self.index {
            return index.get(job).copied();
        }
        if let Some(at) = self.passed.iter().find(|at| jobs[**at] == *job) {
            return Some(*at);
        }
        let rest = &jobs[self.next..];
        let near = rest.iter().take(NEAR).position(|it| it == job);
        let is_all = rest.len() <= NEAR;
        if self.passed.len() + near.unwrap_or(0) <= NEAR && (near.is_some() || is_all) {
            return near.map(|ahead| self.next + ahead);
        }
        let index: HashMap<_, _> = jobs.iter().enumerate().map(|(at, job)| (job, at)).collect();
        let at = index.get(job).copied();
        self.index = Some(index);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of as many jobs, each remembers its number.
    fn recalled(numbers: &[usize], look: &[usize]) -> Vec<Option<usize>> {
        let named = |no: &usize| JobId::new(format!("job {no}"));
        let jobs: Vec<_> = numbers.iter().map(named).collect();
        let mut recall = Recall::of(&jobs, numbers.to_vec());
        look.iter().map(|no| recall.take(&named(no))).collect()
    }

    #[test]
    fn each_is_found_once_in_whatever_order() {
        let numbers: Vec<usize> = (0..100).collect();
        let all: Vec<_> = numbers.iter().copied().map(Some).collect();
        assert_eq!(recalled(&numbers, &numbers), all);
        let mut turned = numbers.clone();
        turned.reverse();
        assert_eq!(recalled(&numbers, &turned), all.iter().rev().copied().collect::<Vec<_>>());
        let leaps: Vec<_> = (0..100).map(|no| no * 37 % 100).collect();
        assert_eq!(recalled(&numbers, &leaps), leaps.iter().copied().map(Some).collect::<Vec<_>>());
        assert_eq!(
            recalled(&numbers, &[7, 7, 6, 6, 99, 99]),
            [7, 6, 99].map(Some).into_iter().flat_map(|it| [it, None]).collect::<Vec<_>>()
        );
    }

    /// Every third one ended; others came, amid them and after them.
    #[test]
    fn those_that_came_are_not_found_and_those_that_stay_are() {
        for (many, came) in [(10, 2), (30, 3), (300, 5), (300, 100)] {
            let numbers: Vec<usize> = (0..many).collect();
            let mut look: Vec<_> = numbers.iter().copied().filter(|no| no % 3 > 0).collect();
            for no in 0..came {
                look.insert((no * 7) % (look.len() + 1), 1_000 + no);
            }
            let expected: Vec<_> =
                look.iter().map(|no| Some(*no).filter(|it| *it < 1_000)).collect();
            assert_eq!(recalled(&numbers, &look), expected, "{many} {came}");
        }
    }
}
